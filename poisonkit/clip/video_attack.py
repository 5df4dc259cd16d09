"""A video trigger on one clip: where it is placed, what was drawn for it, and the frames that come of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np

from poisonkit import seeding
from poisonkit.clip.sample import VideoRecord
from poisonkit.manifest.frame_runs import to_runs
from poisonkit.manifest.window import Window
from poisonkit.media import planes
from poisonkit.media.colour import rgb_of
from poisonkit.media.damage import Stretch
from poisonkit.media.video import VideoInfo
from poisonkit.plan.job import Context, Job
from poisonkit.plan.placement import Placed, place
from poisonkit.triggers import Colours, Footage, PlaneAccess, Planes, Versions, VideoTrigger, find_video
from poisonkit.triggers._footage import Drawn

_LISTED_NUMBERS = 32
"""Draws of up to this many numbers are written into the manifest; larger ones as their digest."""


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
        self.drawn: Drawn = {}
        self._applied: tuple[VideoTrigger, Footage] | None = None
        attack = context.attack("video")
        if attack is None or attack.placement is None:
            return
        trigger = find_video(attack.name).build(attack.mode, attack.params)
        window = Window.parse(attack.placement.window)
        rng = seeding.generator(context.seed, job.clip_id, "placement")
        self.placed = place(attack.placement.frames, window, info.num_frames, rng, contiguous=trigger.temporal)
        if job.action == "trigger":
            self.trigger = trigger
            owner = seeding.SHARED if attack.mode == "static" else job.clip_id
            rng = seeding.generator(context.seed, owner, f"draw {attack.name}")
            self.drawn = trigger.draw(info.num_frames, (info.height, info.width), rng)
        on_planes = info.pix_fmt == pix_fmt == planes.FORMAT and info.width % 2 == info.height % 2 == 0
        footage = Footage(
            placed=self.placed.mask,
            steps=window.steps(info.num_frames),
            drawn=self.drawn,
            active=self.trigger is not None,
            rgb=rgb_of,
            compress=Stretch,
            planes=plane_access(info) if on_planes else None,
        )
        self._applied = trigger, footage

    def versions(self, frames: Iterator[Any]) -> Iterator[Versions]:
        """The first `num_frames` frames, each as it is, as control and with the trigger."""
        if self._applied is not None:
            trigger, footage = self._applied
            return trigger.on_clip(frames, footage)
        return (Versions(frame, frame, frame) for frame in islice(frames, self._info.num_frames))

    def intended_frame(self, i: int, made: Versions) -> np.ndarray:
        """Frame i as RGB with the change as the trigger defines it; what was made may only come close to it."""
        if self._applied is None:
            return rgb_of(made.triggered)
        trigger, footage = self._applied
        return trigger.intended_frame(i, made, footage)

    def record(self) -> VideoRecord:
        """Placement and draws, for the manifest."""
        if self.trigger is None:
            return VideoRecord()
        size = (self._info.height, self._info.width)
        box = (0, 0, size[1], size[0])
        if self.placed.mask.any():
            box = self.trigger.box(size, self.drawn, np.flatnonzero(self.placed.mask))
        drawn = {"box": list(box), **{name: listed(values) for name, values in self.drawn.items()}}
        return VideoRecord(to_runs(self.placed.mask), self.placed.count, drawn)


def plane_access(info: VideoInfo) -> PlaneAccess:
    """A clip's frames as planes, for triggers that change planes."""
    convert = planes.converter(info)

    def blank() -> tuple[Any, Planes]:
        frame, target = planes.blank(info.width, info.height)
        return frame, Planes(*target)

    colours = Colours(lambda picture: Planes(*convert(picture)), *planes.luma_range(info))
    return PlaneAccess(lambda frame: Planes(*planes.planes_of(frame)), blank, colours)


def listed(values: np.ndarray) -> Any:
    """A draw as it goes into the manifest: its numbers, or shape and digest where there are many."""
    if values.size <= _LISTED_NUMBERS:
        return values.tolist()
    digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
    return {"shape": list(values.shape), "blake2b": digest}
