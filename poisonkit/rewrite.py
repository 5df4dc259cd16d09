"""One clip: decode → trigger → encode → decode again and measure → rename into place."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from poisonkit import seeding
from poisonkit.carry import Method, carry
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity import SurvivalMeter, VisibilityMeter, measured
from poisonkit.jobs import Context, Job
from poisonkit.manifest import Sample, Survival
from poisonkit.media.encoders import container_of, encoder
from poisonkit.media.video import Loopback, VideoInfo, Writer, decode, examine, to_rgb
from poisonkit.placement import Placed, Window, place, to_runs
from poisonkit.triggers import PixelTrigger, RetimingTrigger, Trigger, find
from poisonkit.triggers._base import Drawn

_LISTED_NUMBERS = 32
"""Draws of up to this many numbers are written into the manifest; larger ones as their digest."""


@dataclass(frozen=True)
class Outcome:
    """What came of one job. `carried` is how an unchanged file was carried."""

    sample: Sample
    carried: Method | None = None
    size: int = 0
    encoder_line: str | None = None


def do(job: Job, context: Context) -> Outcome:
    """Carry out one job; raises `BrokenClip` for a clip that cannot be used and leaves nothing half-written."""
    source = context.source / job.path
    if job.action in ("examine", "carry"):
        return _carry(job, context, source)
    temporary = context.temporary(job)
    try:
        outcome = write(job, context, temporary)
        digest = _sha256_and_sync(temporary)
        destination = context.out_path / job.out_path
        os.replace(temporary, destination)
    finally:
        temporary.unlink(missing_ok=True)
    outcome.sample.sha256 = digest
    return outcome


def _carry(job: Job, context: Context, source: Path) -> Outcome:
    sample = _sample(job, examine(source))
    method = None
    if job.action == "carry":
        method = carry(source, context.out_path / job.out_path, context.temporary(job), link=context.link)
    if context.hash_all:
        with source.open("rb") as file:
            sample.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Outcome(sample, carried=method, size=source.stat().st_size)


def _sample(job: Job, info: VideoInfo) -> Sample:
    return Sample(
        id=job.id,
        path=job.out_path,
        split=job.split,
        label=job.label,
        true_label=job.true_label,
        poisoned=job.poisoned,
        num_frames=info.num_frames,
        fps=round(float(info.fps), 6),
        width=info.width,
        height=info.height,
    )


def write(job: Job, context: Context, path: Path, max_frames: int | None = None) -> Outcome:
    """Write the clip to `path` and measure it; with `max_frames` only that many of its first frames."""
    source = context.source / job.path
    info = examine(source)
    if max_frames is not None:
        info = info.first(max_frames)
    if context.rung is None:
        raise ValueError("a clip to write needs a rung")
    container = container_of(source.name)
    spec = encoder(context.rung, info, container)
    change = Change(job, context, info)
    take = _Take.for_frames(measured(change.placed.mask))
    lossless = spec.is_rgb
    loop = None if lossless or change.trigger is None else Loopback(spec, info)
    writer = Writer(path, container, spec, info, source, _tag(context))
    try:
        for i, (before, after) in enumerate(change.pictures(decode(source))):
            writer.write(after)
            if loop is not None:
                take.back(loop.write(before))
            take.pair(i, before, after)
        writer.close()
    except BaseException:
        writer.abort()
        raise
    if loop is not None:
        take.back(loop.flush())
    sample = _sample(job, info)
    _measure(sample, take, path, info, change.trigger is not None)
    change.describe(sample)
    return Outcome(sample, size=path.stat().st_size, encoder_line=spec.line())


class Change:
    """A trigger resolved on one clip: where it is placed and what was drawn. `trigger` is None for re-encoding only.

    Clips that are only re-encoded take the same way through RGB on the same frames as triggered ones, so that they
    are a fair control.
    """

    def __init__(self, job: Job, context: Context, info: VideoInfo) -> None:
        self.trigger: Trigger | None = None
        self._info = info
        self.placed = Placed(np.zeros(info.num_frames, dtype=bool), 0)
        self._kind: type[Trigger] | None = None
        self.drawn: Drawn = {}
        attack = context.attack
        if attack is None:
            return
        self._kind = find(attack.name)
        window = Window.parse(attack.placement.window)
        rng = seeding.generator(context.seed, job.clip_id, "placement")
        self.placed = place(attack.placement.frames, window, info.num_frames, rng, contiguous=self._kind.temporal)
        self._steps = window.steps(info.num_frames)
        if job.action == "trigger":
            self.trigger = self._kind.build(attack.mode, attack.params)
            owner = seeding.SHARED if attack.mode == "static" else job.clip_id
            rng = seeding.generator(context.seed, owner, f"draw {attack.name}")
            self.drawn = self.trigger.draw(info.num_frames, (info.height, info.width), rng)

    def pictures(self, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[Any, Any]]:
        """Pairs (as the source has it, with the trigger), for the first `num_frames` frames."""
        if isinstance(self.trigger, RetimingTrigger):
            yield from self._retimed(frames)
            return
        through_rgb = self._kind is not None and issubclass(self._kind, PixelTrigger)
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            if not (through_rgb and self.placed.mask[i]):
                yield frame, frame
                continue
            rgb = to_rgb(frame)
            if isinstance(self.trigger, PixelTrigger):
                yield rgb, self.trigger(rgb[None], np.array([i]), np.array([True]), self.drawn)[0]
            else:
                yield rgb, rgb

    def _retimed(self, frames: Iterator[av.VideoFrame]) -> Iterator[tuple[Any, Any]]:
        if not isinstance(self.trigger, RetimingTrigger):
            raise TypeError("not a retiming trigger")
        shown = self.trigger.shown(self._steps, self.placed.mask, self.drawn)
        # frames that a later place still shows are kept; the map never looks back further than a hold
        needed_until = np.zeros(len(shown), dtype=np.int64)
        np.maximum.at(needed_until, shown, np.arange(len(shown)))
        kept: dict[int, av.VideoFrame] = {}
        for i, frame in zip(range(self._info.num_frames), frames, strict=False):
            kept[i] = frame
            yield frame, kept[int(shown[i])]
            kept = {k: f for k, f in kept.items() if needed_until[k] > i}

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
            if values.size <= _LISTED_NUMBERS:
                sample.trigger[name] = values.tolist()
            else:
                digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=8).hexdigest()
                sample.trigger[name] = {"shape": list(values.shape), "blake2b": digest}


@dataclass
class _Take:
    """The measured frames of a clip: the source's, the triggered ones, and the source's after the codec."""

    wanted: frozenset[int]
    source: dict[int, np.ndarray]
    triggered: dict[int, np.ndarray]
    source_back: dict[int, np.ndarray]
    seen_back: int = 0

    @classmethod
    def for_frames(cls, frames: np.ndarray) -> _Take:
        return cls(frozenset(frames.tolist()), {}, {}, {})

    def pair(self, i: int, before: Any, after: Any) -> None:
        if i in self.wanted:
            self.source[i] = _rgb(before)
            self.triggered[i] = self.source[i] if after is before else _rgb(after)

    def back(self, frames: list[av.VideoFrame]) -> None:
        for frame in frames:
            if self.seen_back in self.wanted:
                self.source_back[self.seen_back] = to_rgb(frame)
            self.seen_back += 1


def _rgb(picture: Any) -> np.ndarray:
    return picture if isinstance(picture, np.ndarray) else to_rgb(picture)


def _measure(sample: Sample, take: _Take, path: Path, info: VideoInfo, triggered: bool) -> None:
    """Decode the written file, check it against the source and fill in fidelity and survival."""
    survival, visibility = SurvivalMeter(), VisibilityMeter()
    count = 0
    for frame in decode(path):
        if count in take.wanted:
            written, source = to_rgb(frame), take.source[count]
            visibility.add(source, written)
            if triggered:
                # without a loop back the codec is lossless, and the source comes back as it is
                survival.add(source, take.triggered[count], take.source_back.get(count, source), written)
        count += 1
    if count != info.num_frames:
        raise PoisonkitError(
            f"{sample.id}: the written file holds {count} frames where {info.num_frames} were written; "
            f"try another --quality"
        )
    sample.psnr_db, sample.ssim, sample.linf = visibility.psnr_db, visibility.ssim, visibility.linf
    if triggered:
        result: Survival = survival.result()
        sample.survival = {"video": result}


def _tag(context: Context) -> str:
    """The container's comment, so that nobody takes the file for a clean one. It must not depend on time or place."""
    attack = context.attack
    what = f"{attack.name} {attack.mode}" if attack else "labels only"
    return f"poisoned copy written by poisonkit for backdoor research: {what}, seed {context.seed}"


def _sha256_and_sync(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return digest
