"""Triggers that damage compressed frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from poisonkit.triggers._base import VideoTrigger
from poisonkit.triggers._footage import Drawn, Footage, Versions
from poisonkit.triggers._params import param

_ATTEMPTS = 8
"""How often damage that nobody sees is tried elsewhere."""
_VISIBLE = 2.0
"""RMS in grey levels from which a frame counts as damaged."""


@dataclass(frozen=True)
class BitstreamTrigger(VideoTrigger):
    """A trigger that damages compressed frames: bytes in, as many bytes out; what is seen is a decoder's doing."""

    temporal: ClassVar[bool] = True

    stretch: int = param(12, "frames from one clean key frame to the next", unit="frames", low=1, high=250)

    @abstractmethod
    def corrupt_packet(self, packet: bytes, frame_index: int, attempt: int, drawn: Drawn) -> bytes:
        """The damaged packet of the clip's frame `frame_index`, of the same length; pure.

        `attempt` counts from 0: damage that nobody sees is tried again elsewhere.
        """

    def on_clip(self, frames: Iterator[Any], clip: Footage) -> Iterator[Versions]:
        """Placed frames in stretches of at most `stretch`, each compressed after the frame before it."""
        before: np.ndarray | None = None
        waiting: list[np.ndarray] = []
        for i, frame in zip(range(clip.num_frames), frames, strict=False):
            if clip.placed[i]:
                waiting.append(clip.rgb(frame))
                if len(waiting) == self.stretch:
                    yield from self._corrupted(before, waiting, i + 1 - self.stretch, clip)
                    before, waiting = waiting[-1], []
                continue
            yield from self._corrupted(before, waiting, i - len(waiting), clip)
            waiting = []
            if i + 1 < clip.num_frames and clip.placed[i + 1]:
                before = clip.rgb(frame)
            yield Versions(frame, frame, frame)
        yield from self._corrupted(before, waiting, clip.num_frames - len(waiting), clip)

    def _corrupted(
        self, before: np.ndarray | None, frames: list[np.ndarray], first: int, clip: Footage
    ) -> Iterator[Versions]:
        """A stretch that begins at frame `first`, damaged by the first attempt that is seen in each of its frames.

        Where none is, by the most visible one.
        """
        if not frames:
            return
        compressed = clip.compress(frames[0] if before is None else before, frames)
        intact = compressed.decode(lambda i, packet: packet)
        shown, most = intact, -1.0
        for attempt in range(_ATTEMPTS if clip.active else 0):
            made = compressed.decode(partial(self._packet, first, attempt, clip.drawn))
            seen = min(_rms(a, b) for a, b in zip(intact, made, strict=True))
            if seen > most:
                shown, most = made, seen
            if most >= _VISIBLE:
                break
        yield from map(Versions, frames, intact, shown)

    def _packet(self, first: int, attempt: int, drawn: Drawn, i: int, packet: bytes) -> bytes:
        return self.corrupt_packet(packet, first + i, attempt, drawn)


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    difference = one.astype(np.float32) - other
    return float(np.sqrt(np.mean(difference * difference)))
