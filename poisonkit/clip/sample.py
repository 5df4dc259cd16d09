"""What the manifest says of a clip, made in one go from its job and from what its video and its audio are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from poisonkit.manifest import Modality, Sample, Survival, ViewSurvival
from poisonkit.media.audio import AudioInfo
from poisonkit.media.video import VideoInfo
from poisonkit.plan.job import Job


@dataclass(frozen=True)
class VideoRecord:
    """Where a trigger lies in the video of a clip and what was drawn for it; empty where there is none.

    `frames`: runs of first, last and step; `window_count`: the windows that hold it; `drawn`: box and draws by name.
    """

    frames: list[tuple[int, int, int]] = field(default_factory=list)
    window_count: int | None = None
    drawn: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AudioRecord:
    """Where a trigger lies in the audio of a clip, in seconds, and its draws by name; None where there is none."""

    spans: list[tuple[float, float]] = field(default_factory=list)
    drawn: dict[str, Any] | None = None


def trigger_of(video: VideoRecord, audio: AudioRecord) -> dict[str, Any]:
    """The draws of both, as a sample's `trigger` holds them."""
    return video.drawn if audio.drawn is None else {**video.drawn, "audio": audio.drawn}


@dataclass(frozen=True)
class VideoFacts:
    """The video of a clip: its form and, where it was written, the trigger in it and what was measured.

    `info` is None where a clip has none; `stride` is 1 where a victim has to take every frame.
    """

    info: VideoInfo | None = None
    stride: int | None = None
    record: VideoRecord = VideoRecord()
    psnr_db: float | None = None
    ssim: float | None = None
    l2: float | None = None
    linf: int | None = None
    survival: Survival | None = None
    view_survival: ViewSurvival | None = None


@dataclass(frozen=True)
class AudioFacts:
    """The audio of a clip: its form and, where it was written, the trigger in it and what was measured.

    `info` is None where a clip has none, and where it was carried along with the video.
    """

    info: AudioInfo | None = None
    record: AudioRecord = AudioRecord()
    snr_db: float | None = None
    lsd_db: float | None = None
    survival: Survival | None = None
    view_survival: ViewSurvival | None = None


def sample_of(job: Job, video: VideoFacts, audio: AudioFacts, sha256: str | None) -> Sample:
    """The sample of a job's clip."""
    frames, track = video.info, audio.info
    kept: dict[Modality, Survival | None] = {"video": video.survival, "audio": audio.survival}
    seen: dict[Modality, ViewSurvival | None] = {"video": video.view_survival, "audio": audio.view_survival}
    return Sample(
        id=job.id,
        path=job.out_path,
        split=job.split,
        label=job.label,
        true_label=job.true_label,
        poisoned=job.poisoned,
        num_frames=frames.num_frames if frames else 0,
        fps=round(float(frames.fps), 6) if frames else 0.0,
        width=frames.width if frames else 0,
        height=frames.height if frames else 0,
        stride=video.stride,
        frames=video.record.frames,
        window_count=video.record.window_count,
        audio_spans=audio.record.spans,
        trigger=trigger_of(video.record, audio.record),
        sha256=sha256,
        psnr_db=video.psnr_db,
        ssim=video.ssim,
        l2=video.l2,
        linf=video.linf,
        snr_db=audio.snr_db,
        survival={modality: value for modality, value in kept.items() if value is not None},
        view_survival={modality: value for modality, value in seen.items() if value is not None},
        sample_rate=track.rate if track else None,
        channels=track.channels if track else None,
        num_samples=track.num_samples if track else None,
        lsd_db=audio.lsd_db,
    )
