"""A trigger on one clip: where it is placed, what was drawn for it, and the pictures that come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import av
import numpy as np

from poisonkit import seeding
from poisonkit.manifest import Sample
from poisonkit.manifest.frame_runs import to_runs
from poisonkit.manifest.window import Window
from poisonkit.media import planes
from poisonkit.media.colour import rgb_of
from poisonkit.media.damage import Stretch
from poisonkit.media.video import VideoInfo
from poisonkit.plan.job import Context, Job
from poisonkit.plan.placement import Placed, place
from poisonkit.triggers import (
    BitstreamTrigger,
    Colours,
    PixelTrigger,
    PlanarTrigger,
    Planes,
    RetimingTrigger,
    VideoTrigger,
    find_video,
)
from poisonkit.triggers._base import Drawn

_LISTED_NUMBERS = 32
"""Draws of up to this many numbers are written into the manifest; larger ones as their digest."""
_ATTEMPTS = 8
"""How often damage that nobody sees is tried elsewhere."""
_VISIBLE = 2.0
"""RMS in grey levels from which a frame counts as damaged."""


class Pictures(NamedTuple):
    """One frame three times, as PyAV frames or uint8 (H, W, 3) RGB.

    `source`: as it was read; `control`: what a clip without the trigger gets; `triggered`. The control differs from the
    source where the trigger needs a codec of its own.
    """

    source: Any
    control: Any
    triggered: Any


class VideoAttack:
    """A trigger resolved on one clip: where it is placed and what was drawn. `trigger` is None for re-encoding only.

    Clips that are only re-encoded take the same way on the same frames as triggered ones (on planes, through RGB,
    through the codec whose stream is damaged), so that they are a fair control.
    """

    def __init__(self, job: Job, context: Context, info: VideoInfo, pix_fmt: str | None = None) -> None:
        """`pix_fmt`: what will be encoded, where frames come as they are stored; None where they come as RGB."""
        self.trigger: VideoTrigger | None = None
        self._info = info
        self.placed = Placed(np.zeros(info.num_frames, dtype=bool), 0)
        self._kind: type[VideoTrigger] | None = None
        self.drawn: Drawn = {}
        self._planar = False
        attack = context.attack("video")
        if attack is None or attack.placement is None:
            return
        self._kind = find_video(attack.name)
        same = info.pix_fmt == pix_fmt == planes.FORMAT and info.width % 2 == info.height % 2 == 0
        self._planar = same and issubclass(self._kind, PlanarTrigger)
        window = Window.parse(attack.placement.window)
        rng = seeding.generator(context.seed, job.clip_id, "placement")
        self.placed = place(attack.placement.frames, window, info.num_frames, rng, contiguous=self._kind.temporal)
        self._steps = window.steps(info.num_frames)
        built = self._kind.build(attack.mode, attack.params)
        self._stretch = built.stretch if isinstance(built, BitstreamTrigger) else 0
        if job.action == "trigger":
            self.trigger = built
            owner = seeding.SHARED if attack.mode == "static" else job.clip_id
            rng = seeding.generator(context.seed, owner, f"draw {attack.name}")
            self.drawn = self.trigger.draw(info.num_frames, (info.height, info.width), rng)

    def pictures(self, frames: Iterator[Any]) -> Iterator[Pictures]:
        """The pictures of the first `num_frames` frames."""
        if self._kind is not None and issubclass(self._kind, BitstreamTrigger):
            yield from self._damaged(self._stretch, frames)
            return
        if isinstance(self.trigger, RetimingTrigger):
            yield from self._retimed(self.trigger, frames)
            return
        if self._planar:
            yield from self._on_planes(frames)
            return
        through_rgb = self._kind is not None and issubclass(self._kind, PixelTrigger)
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            if not (through_rgb and self.placed.mask[i]):
                yield Pictures(frame, frame, frame)
                continue
            rgb = rgb_of(frame)
            if isinstance(self.trigger, PixelTrigger):
                yield Pictures(rgb, rgb, self.trigger(rgb[None], np.array([i]), np.array([True]), self.drawn)[0])
            else:
                yield Pictures(rgb, rgb, rgb)

    def _on_planes(self, frames: Iterator[av.VideoFrame]) -> Iterator[Pictures]:
        """Frames as they are stored; the control is the source itself."""
        colours = colours_of(self._info)
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            if self.placed.mask[i] and isinstance(self.trigger, PlanarTrigger):
                changed, target = planes.blank(self._info.width, self._info.height)
                source = Planes(*planes.planes_of(frame))
                self.trigger.apply_planes(source, Planes(*target), i, self.drawn, colours)
                yield Pictures(frame, frame, changed)
            else:
                yield Pictures(frame, frame, frame)

    def intended_frame(self, i: int, pictures: Pictures) -> np.ndarray:
        """Frame i as RGB with the change as the trigger defines it; what was made may only come close to it."""
        if self._planar and isinstance(self.trigger, PixelTrigger):
            control = rgb_of(pictures.control)[None]
            made: np.ndarray = self.trigger(control, np.array([i]), self.placed.mask[i : i + 1], self.drawn)[0]
            return made
        return rgb_of(pictures.triggered)

    def _retimed(self, trigger: RetimingTrigger, frames: Iterator[Any]) -> Iterator[Pictures]:
        shown = trigger.shown(self._steps, self.placed.mask, self.drawn)
        # frames that a later place still shows are kept; the map never looks back further than a hold
        needed_until = np.zeros(len(shown), dtype=np.int64)
        np.maximum.at(needed_until, shown, np.arange(len(shown)))
        kept: dict[int, Any] = {}
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            kept[i] = frame
            yield Pictures(frame, frame, kept[int(shown[i])])
            kept = {k: f for k, f in kept.items() if needed_until[k] > i}

    def _damaged(self, most: int, frames: Iterator[Any]) -> Iterator[Pictures]:
        """Placed frames in stretches of at most `most`, each after the frame before it."""
        before: np.ndarray | None = None
        waiting: list[np.ndarray] = []
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            if self.placed.mask[i]:
                waiting.append(rgb_of(frame))
                if len(waiting) == most:
                    yield from self._corrupt(before, waiting, i + 1 - most)
                    before, waiting = waiting[-1], []
                continue
            yield from self._corrupt(before, waiting, i - len(waiting))
            waiting = []
            if i + 1 < self._info.num_frames and self.placed.mask[i + 1]:
                before = rgb_of(frame)
            yield Pictures(frame, frame, frame)
        yield from self._corrupt(before, waiting, self._info.num_frames - len(waiting))

    def _corrupt(self, before: np.ndarray | None, frames: list[np.ndarray], first: int) -> Iterator[Pictures]:
        """A stretch damaged, by the first attempt that is seen in each frame, else by the most visible one."""
        if not frames:
            return
        stretch = Stretch(frames[0] if before is None else before, frames)
        intact = stretch.decode(lambda i, packet: packet)
        shown = intact
        if isinstance(self.trigger, BitstreamTrigger):
            most = -1.0
            for attempt in range(_ATTEMPTS):
                made = stretch.decode(partial(self._packet, self.trigger, first, attempt))
                seen = min(_rms(a, b) for a, b in zip(intact, made, strict=True))
                if seen > most:
                    shown, most = made, seen
                if most >= _VISIBLE:
                    break
        yield from map(Pictures, frames, intact, shown)

    def _packet(self, trigger: BitstreamTrigger, first: int, attempt: int, i: int, packet: bytes) -> bytes:
        return trigger.corrupt_packet(packet, first + i, attempt, self.drawn)

    def describe(self, sample: Sample) -> None:
        """Write placement and draw into the sample."""
        if self.trigger is None:
            return
        sample.frames = to_runs(self.placed.mask)
        sample.window_count = self.placed.count
        size = (self._info.height, self._info.width)
        box = (0, 0, size[1], size[0])
        if isinstance(self.trigger, PixelTrigger) and self.placed.mask.any():
            box = self.trigger.box(size, self.drawn, np.flatnonzero(self.placed.mask))
        sample.trigger = {"box": list(box)}
        for name, values in self.drawn.items():
            sample.trigger[name] = listed(values)


def colours_of(info: VideoInfo) -> Colours:
    """How a clip's planes stand for colours, for triggers that change planes."""
    convert = planes.converter(info)
    return Colours(lambda picture: Planes(*convert(picture)), *planes.luma_range(info))


def listed(values: np.ndarray) -> Any:
    """A draw as it goes into the manifest: its numbers, or shape and digest where there are many."""
    if values.size <= _LISTED_NUMBERS:
        return values.tolist()
    digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
    return {"shape": list(values.shape), "blake2b": digest}


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    difference = one.astype(np.float32) - other
    return float(np.sqrt(np.mean(difference * difference)))
