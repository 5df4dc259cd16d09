"""Triggers that show other frames of the clip."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from poisonkit.triggers._base import VideoTrigger
from poisonkit.triggers._footage import Drawn, Footage, Versions


@dataclass(frozen=True)
class RetimingTrigger(VideoTrigger):
    """A trigger that shows other frames of the clip: it gives an index map and never touches a pixel."""

    temporal: ClassVar[bool] = True

    @final
    def shown(self, steps: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """Which source frame is shown at each place, int64 (T,).

        `steps`: int64 (T,), the sampling step of each frame; `placed`: bool (T,). The map never looks ahead
        (a stream can be rewritten with the frames seen so far) and leaves frames that are not placed alone.
        """
        places = np.arange(len(steps), dtype=np.int64)
        shown = self.retime(steps, placed, drawn)
        if shown.shape != places.shape or (shown > places).any() or (shown < 0).any():
            raise ValueError(f"{self.name} shows frames that are not there yet")
        return np.where(placed, shown, places)

    @abstractmethod
    def retime(self, steps: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """The map itself, pure; shapes as in `shown`."""

    def on_clip(self, frames: Iterator[Any], clip: Footage) -> Iterator[Versions]:
        """Frames that a later place still shows are kept; the map never looks back further than a hold."""
        places = np.arange(clip.num_frames)
        shown = self.shown(clip.steps, clip.placed, clip.drawn) if clip.active else places
        needed_until = np.zeros(len(shown), dtype=np.int64)
        np.maximum.at(needed_until, shown, places)
        kept: dict[int, Any] = {}
        for i, frame in zip(range(clip.num_frames), frames, strict=False):
            kept[i] = frame
            yield Versions(frame, frame, kept[int(shown[i])])
            kept = {k: f for k, f in kept.items() if needed_until[k] > i}
