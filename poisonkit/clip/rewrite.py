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
from poisonkit.clip.sample import AudioFacts, VideoFacts, sample_of
from poisonkit.clip.source_clip import Clip, Control
from poisonkit.clip.video_writer import VideoWriter
from poisonkit.errors import PoisonkitError
from poisonkit.files import Method, carry, is_audio, sha256
from poisonkit.manifest import Sample
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.encoders import container_of
from poisonkit.media.video import count_packets, examine
from poisonkit.media.writer import Writer
from poisonkit.plan.job import Context, Job


@dataclass(frozen=True)
class Outcome:
    """What came of one job. `carried` is how an unchanged file was carried."""

    sample: Sample
    size: int
    carried: Method | None = None
    encoder_line: str | None = None
    audio_line: str | None = None


@dataclass(frozen=True)
class Written:
    """One file that was written and measured. `control` is the file itself, where it has no trigger."""

    job: Job
    path: Path
    video: VideoFacts
    audio: AudioFacts
    control: Control | None
    encoder_line: str | None
    audio_line: str | None

    def outcome(self, sha256: str | None = None) -> Outcome:
        sample = sample_of(self.job, self.video, self.audio, sha256)
        size = self.path.stat().st_size
        return Outcome(sample, size, encoder_line=self.encoder_line, audio_line=self.audio_line)


def run_job(job: Job, context: Context) -> dict[str, Outcome]:
    """Carry out one job with its parts, whose outcomes go by id.

    Raises `BrokenClip` for a clip that cannot be used, and leaves nothing half-written.
    """
    source = context.source / job.path
    if job.action in ("examine", "carry"):
        return {job.id: _carry(job, context, source)}
    clip = Clip(source, copies=len(job.parts))
    temporary = {part.id: context.temporary(part) for part in job.parts}
    outcomes = {}
    control: Control | None = None
    try:
        for part in job.parts:
            path = temporary[part.id]
            written = write(part, context, path, clip=clip, control=control)
            outcomes[part.id] = written.outcome(sha256(path, sync=True))
            control = written.control
        for part in job.parts:
            os.replace(temporary[part.id], context.out_path / part.out_path)
    finally:
        for path in temporary.values():
            path.unlink(missing_ok=True)
    return outcomes


def _carry(job: Job, context: Context, source: Path) -> Outcome:
    alone = is_audio(source.name)
    video = VideoFacts() if alone else VideoFacts(examine(source))
    audio = AudioFacts(examine_audio(source)) if alone else AudioFacts()
    method = None
    if job.action == "carry":
        link = context.options.carry != "copy"
        method = carry(source, context.out_path / job.out_path, context.temporary(job), link=link)
    digest = sha256(source) if context.options.hash_all else None
    return Outcome(sample_of(job, video, audio, digest), source.stat().st_size, carried=method)


def write(
    job: Job,
    context: Context,
    path: Path,
    *,
    clip: Clip | None = None,
    control: Control | None = None,
    max_frames: int | None = None,
) -> Written:
    """Write the clip to `path` and measure it; with `max_frames` only that many of its first frames.

    (Where the video is copied, all of it is.) `clip`: its source, if that is read for another copy too; `control`: the
    copy without the trigger, if that was written before.
    """
    source = context.source / job.path
    clip = clip or Clip(source)
    container = container_of(source.name)
    wanted = context.rewritten(job)
    if not is_audio(source.name):
        clip.video(hold="video" in wanted)  # first of all, since what does not decode is found here
    audio = AudioWriter(job, context, clip, container, control) if "audio" in wanted else None
    video = VideoWriter(job, context, clip, container, control, max_frames) if "video" in wanted else None
    writer = Writer(path, container, source, tag(context), video.new if video else None, audio.new if audio else None)
    try:
        if video is not None:
            video.write(writer)
        writer.close()
    except BaseException:
        writer.abort()
        raise
    return Written(
        job,
        path,
        video=_copied(job, clip, path) if video is None else video.measure(path),
        audio=AudioFacts() if audio is None else audio.measure(path),
        control=None if job.action == "trigger" else Control(path, video.back if video else {}),
        encoder_line=video.new.spec.line() if video else None,
        audio_line=audio.new.spec.line() if audio else None,
    )


def _copied(job: Job, clip: Clip, path: Path) -> VideoFacts:
    """The video of a clip of which only the audio was re-encoded."""
    if is_audio(clip.path.name):
        return VideoFacts()
    info = clip.video(hold=False)[0]
    if count_packets(path) != count_packets(clip.path):  # copied, so not decoded once more
        raise PoisonkitError(f"{job.id}: its video could not be carried over whole", "convert the clip first")
    return VideoFacts(info)
