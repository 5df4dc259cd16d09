"""One clip: decode → trigger → encode → read back and measure → rename into place.

A clip that gets a sham copy as well is decoded once for both, and survival takes the sham copy for its control; any
other one has its control encoded for that alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from poisonkit.clip.audio_writer import AudioWriter
from poisonkit.clip.comment_tag import tag
from poisonkit.clip.source_clip import Clip
from poisonkit.clip.video_writer import VideoWriter, check_writable
from poisonkit.errors import PoisonkitError
from poisonkit.files import Method, carry, is_audio, sha256
from poisonkit.manifest import Sample
from poisonkit.media.audio import AudioInfo
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.encoders import container_of
from poisonkit.media.video import VideoInfo, count_packets, examine
from poisonkit.media.writer import Writer
from poisonkit.plan.job import Context, Job


@dataclass(frozen=True)
class Outcome:
    """What came of one job. `carried` is how an unchanged file was carried."""

    sample: Sample
    carried: Method | None = None
    size: int = 0
    encoder_line: str | None = None
    audio_line: str | None = None


def run_job(job: Job, context: Context) -> dict[str, Outcome]:
    """Carry out one job with its parts, whose outcomes go by id.

    Raises `BrokenClip` for a clip that cannot be used, and leaves nothing half-written.
    """
    source = context.source / job.path
    if job.action in ("examine", "carry"):
        return {job.id: _carry(job, context, source)}
    clip = Clip(source, copies=len(job.parts))
    temporary = {part.id: context.temporary(part) for part in job.parts}
    made = {}
    try:
        for part in job.parts:
            made[part.id] = write(part, context, temporary[part.id], clip=clip)
            made[part.id].sample.sha256 = sha256(temporary[part.id], sync=True)
            clip.control = temporary[part.id]
        for part in job.parts:
            os.replace(temporary[part.id], context.out_path / part.out_path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return made


def _carry(job: Job, context: Context, source: Path) -> Outcome:
    alone = is_audio(source.name)
    sample = _sample(job, None if alone else examine(source), examine_audio(source) if alone else None)
    method = None
    if job.action == "carry":
        method = carry(source, context.out_path / job.out_path, context.temporary(job), link=context.link)
    if context.hash_all:
        sample.sha256 = sha256(source)
    return Outcome(sample, carried=method, size=source.stat().st_size)


def _sample(job: Job, info: VideoInfo | None, sound: AudioInfo | None) -> Sample:
    sample = Sample(
        id=job.id,
        path=job.out_path,
        split=job.split,
        label=job.label,
        true_label=job.true_label,
        poisoned=job.poisoned,
        num_frames=0,
        fps=0.0,
        width=0,
        height=0,
    )
    if info is not None:
        sample.num_frames, sample.fps = info.num_frames, round(float(info.fps), 6)
        sample.width, sample.height = info.width, info.height
    if sound is not None:
        sample.sample_rate, sample.channels, sample.num_samples = sound.rate, sound.channels, sound.num_samples
    return sample


def write(job: Job, context: Context, path: Path, max_frames: int | None = None, clip: Clip | None = None) -> Outcome:
    """Write the clip to `path` and measure it; with `max_frames` only that many of its first frames.

    (Where the pictures are copied, all of them are.) `clip`: its source, if that is read for another copy too.
    """
    source = context.source / job.path
    clip = clip or Clip(source)
    container = container_of(source.name)
    wanted = context.rewritten(job)
    pictures = sound = None
    info = None if is_audio(source.name) else clip.pictures(hold="video" in wanted)[0]
    if "audio" in wanted:
        sound = AudioWriter(job, context, clip, container)
    if "video" in wanted:
        pictures = VideoWriter(job, context, clip, container, check_writable(info, source, container), max_frames)
    writer = Writer(
        path, container, source, tag(context), pictures.new if pictures else None, sound.new if sound else None
    )
    try:
        if pictures is not None:
            pictures.write(writer)
        writer.close()
    except BaseException:
        writer.abort()
        raise
    sample = _sample(job, info if pictures is None else pictures.new.info, None)
    if pictures is not None:
        pictures.measure(sample, path)
    elif info is not None and count_packets(path) != count_packets(source):  # copied, so not decoded once more
        raise PoisonkitError(f"{sample.id}: its pictures could not be carried over whole", "convert the clip first")
    if sound is not None:
        sound.measure(sample, path, context)
    return Outcome(
        sample,
        size=path.stat().st_size,
        encoder_line=pictures.new.spec.line() if pictures else None,
        audio_line=sound.new.spec.line() if sound else None,
    )
