"""One clip: decode → trigger → encode → decode again and measure → rename into place."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

from poisonkit.change import Change, Pictures
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity import SurvivalMeter, ViewMeter, VisibilityMeter, measured
from poisonkit.files import TAG, Method, carry, sha256
from poisonkit.jobs import Context, Job
from poisonkit.manifest import Sample
from poisonkit.media.encoders import container_of, encoder
from poisonkit.media.video import VideoInfo, decode, examine, to_rgb
from poisonkit.media.writer import Loopback, Writer


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
        digest = sha256(temporary, sync=True)
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
        sample.sha256 = sha256(source)
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
    if info.rotation:
        raise BrokenClip(
            f"{source} is shown turned by {info.rotation} degrees, which a written copy would not be; turn its "
            f"pictures themselves (ffmpeg does when it re-encodes), or go on without it by --skip-broken"
        )
    if max_frames is not None:
        info = info.first(max_frames)
    if context.rung is None:
        raise ValueError("a clip to write needs a rung")
    container = container_of(source.name)
    spec = encoder(context.rung, info, container)
    change = Change(job, context, info)
    take = _Take.for_frames(measured(change.placed.mask))
    lossless = spec.is_rgb
    loop = None if lossless or change.trigger is None else Loopback(spec, info, source)
    writer = Writer(path, container, spec, info, source, _tag(context))
    try:
        for i, pictures in enumerate(change.pictures(decode(source))):
            writer.write(pictures.triggered)
            if loop is not None:
                take.back(loop.write(pictures.control))
            take.add(i, pictures)
        writer.close()
    except BaseException:
        writer.abort()
        raise
    if loop is not None:
        take.back(loop.flush())
    sample = _sample(job, info)
    _measure(sample, take, path, info, ViewMeter(*context.view) if change.trigger is not None else None)
    change.describe(sample)
    return Outcome(sample, size=path.stat().st_size, encoder_line=spec.line())


@dataclass
class _Take:
    """The measured frames of a clip: the source's, control and triggered ones, and the control after the codec."""

    wanted: frozenset[int]
    source: dict[int, np.ndarray]
    control: dict[int, np.ndarray]
    triggered: dict[int, np.ndarray]
    control_back: dict[int, np.ndarray]
    seen_back: int = 0

    @classmethod
    def for_frames(cls, frames: np.ndarray) -> _Take:
        return cls(frozenset(frames.tolist()), {}, {}, {}, {})

    def add(self, i: int, pictures: Pictures) -> None:
        if i in self.wanted:
            source, control, triggered = pictures
            self.source[i] = _rgb(source)
            self.control[i] = self.source[i] if control is source else _rgb(control)
            self.triggered[i] = self.control[i] if triggered is control else _rgb(triggered)

    def back(self, frames: list[av.VideoFrame]) -> None:
        for frame in frames:
            if self.seen_back in self.wanted:
                self.control_back[self.seen_back] = to_rgb(frame)
            self.seen_back += 1


def _rgb(picture: Any) -> np.ndarray:
    return picture if isinstance(picture, np.ndarray) else to_rgb(picture)


def _measure(sample: Sample, take: _Take, path: Path, info: VideoInfo, view: ViewMeter | None) -> None:
    """Decode the written file, check it against the source and fill in fidelity and, with a `view`, survival."""
    survival, visibility = SurvivalMeter(), VisibilityMeter()
    count = 0
    for frame in decode(path):
        if count in take.wanted:
            written, source = to_rgb(frame), take.source[count]
            visibility.add(source, written)
            if view is not None:
                control = take.control[count]
                # without a loop back the codec is lossless, and the control comes back as it is
                back = take.control_back.get(count, control)
                survival.add(control, take.triggered[count], back, written)
                view.add(control, take.triggered[count], back, written)
        count += 1
    if count != info.num_frames:
        raise PoisonkitError(
            f"{sample.id}: the written file holds {count} frames where {info.num_frames} were written; "
            f"try another --quality"
        )
    sample.psnr_db, sample.ssim, sample.linf = visibility.psnr_db, visibility.ssim, visibility.linf
    if view is not None:
        sample.survival = {"video": survival.result()}
        sample.view_survival = {"video": view.result()}


def _tag(context: Context) -> str:
    """The container's comment, so that nobody takes the file for a clean one. It must not depend on time or place."""
    attack = context.attack
    what = f"{attack.name} {attack.mode}" if attack else "labels only"
    return f"{TAG} for backdoor research: {what}, seed {context.seed}"
