"""The video of one clip, written anew and measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from poisonkit.clip.frame_geometry import frames_of, written
from poisonkit.clip.source_clip import Clip
from poisonkit.clip.video_attack import VideoAttack
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity.video import SurvivalMeter, ViewMeter, VisibilityMeter, difference, measured
from poisonkit.manifest import Sample
from poisonkit.media.colour import rgb_of, to_rgb
from poisonkit.media.encoders import encoder
from poisonkit.media.frame_picker import Picked
from poisonkit.media.video import VideoInfo, count_packets, examine
from poisonkit.media.writer import Loopback, NewVideo, Writer
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.triggers import Versions


def check_writable(info: VideoInfo | None, source: Path, container: str) -> VideoInfo:
    """The clip's pictures; raises `BrokenClip` where they cannot be written anew."""
    if info is None:
        raise BrokenClip(f"{source} holds no pictures", "attack its sound, or leave it out of the data set")
    if info.rotation:
        raise BrokenClip(
            f"{source} is shown turned by {info.rotation} degrees, which a written copy would not be",
            "turn its pictures themselves (ffmpeg does when it re-encodes), or go on without it by "
            f"{argument('skip_broken', True)}",
        )
    if info.pts[0] < 0 and container in ("mp4", "mov"):  # it would be written, and an edit list would hide it
        raise BrokenClip(
            f"{source} begins {float(-info.pts[0] * info.time_base):.3f} s before its time zero, and players leave out "
            "what lies there",
            "remux it (ffmpeg -i … -c copy -avoid_negative_ts make_zero …), or go on without it by "
            f"{argument('skip_broken', True)}",
        )
    return info


class VideoWriter:
    """The pictures of one clip, written anew."""

    def __init__(
        self, job: Job, context: Context, clip: Clip, container: str, found: VideoInfo, max_frames: int | None
    ) -> None:
        info = written(context.geometry, found)
        if max_frames is not None:
            info = info.first(max_frames)
        self._found, self._geometry = found, context.geometry
        spec = encoder(context.rungs["video"], info, container)
        self.new = NewVideo(spec, info)
        plain = context.geometry.short_side is None
        self._change = VideoAttack(job, context, info, spec.pix_fmt if plain else None)
        self._survival = context.survival
        self._take = MeasuredFrames.for_frames(
            measured(self._change.placed.mask) if context.survival else np.zeros(0, np.int64)
        )
        self._held, self._view = clip.pictures(hold=True)[1], context.view
        self._take.control_back = clip.control_back
        # the control of a lossless codec comes back as it is
        needed = context.survival and not spec.is_rgb and self._change.trigger is not None and clip.control is None
        self._loop = Loopback(spec, info, clip.path, self._take.wanted) if needed else None

    def write(self, writer: Writer) -> None:
        for i, pictures in enumerate(
            self._change.versions(frames_of(self._geometry, self._held.frames(), self._found))
        ):
            writer.write(pictures.triggered)
            if self._loop is not None:
                self._take.back(self._loop.write(pictures.control))
            self._take.add(i, pictures, self._change)
        if self._loop is not None:
            self._take.back(self._loop.flush())

    def measure(self, sample: Sample, path: Path) -> None:
        """Read the written file back, check its length, and fill in fidelity and placement."""
        if self._survival:
            view = None if self._change.trigger is None else ViewMeter(*self._view)
            dynamic = self._change.trigger is not None and self._change.trigger.mode == "dynamic"
            _check_count(sample, _measure(sample, self._take, path, view, dynamic=dynamic), self.new.info)
        else:
            count = count_packets(path)
            if count != self.new.info.num_frames:  # VP8 has packets that show nothing
                count = examine(path).num_frames
            _check_count(sample, count, self.new.info)
        if self._geometry.clip is not None and self._geometry.clip.stride is not None:
            sample.stride = 1
        self._change.describe(sample)


@dataclass
class MeasuredFrames:
    """The measured frames of a clip: the source's, control and triggered ones, and the control after the codec."""

    wanted: frozenset[int]
    source: dict[int, np.ndarray]
    control: dict[int, np.ndarray]
    triggered: dict[int, np.ndarray]
    control_back: dict[int, np.ndarray]

    @classmethod
    def for_frames(cls, frames: np.ndarray) -> MeasuredFrames:
        return cls(frozenset(frames.tolist()), {}, {}, {}, {})

    def add(self, i: int, pictures: Versions, change: VideoAttack) -> None:
        if i in self.wanted:
            source, control, triggered = pictures
            self.source[i] = rgb_of(source)
            self.control[i] = self.source[i] if control is source else rgb_of(control)
            self.triggered[i] = self.control[i] if triggered is control else change.intended_frame(i, pictures)

    def back(self, frames: Iterable[tuple[int, av.VideoFrame]]) -> None:
        for i, frame in frames:
            self.control_back[i] = to_rgb(frame)


def _check_count(sample: Sample, count: int, info: VideoInfo) -> None:
    if count != info.num_frames:
        raise PoisonkitError(
            f"{sample.id}: the written file holds {count} frames where {info.num_frames} were written",
            f"try another {argument('quality')}",
        )


def _measure(sample: Sample, take: MeasuredFrames, path: Path, view: ViewMeter | None, *, dynamic: bool) -> int:
    """Read the written file and fill in fidelity and, with a `view`, survival; returns the number of its frames."""
    survival_meter, visibility = SurvivalMeter(per_frame=dynamic), VisibilityMeter()
    picked = Picked(path, take.wanted)
    for i, frame in picked:
        written = to_rgb(frame)
        visibility.add(take.source[i], written)
        if view is None:
            take.control_back[i] = written  # of a clip without the trigger, which may be the control
            continue
        control = take.control[i]
        # without a loop back the codec is lossless, and the control comes back as it is
        back = take.control_back.get(i, control)
        change = difference(take.triggered[i], control), difference(written, back)
        survival_meter.add_change(*change)
        view.add_change(*change)
    if any(k < picked.count for k in picked.missing):
        raise PoisonkitError(
            f"{sample.id}: the written file does not give its frame {min(picked.missing)}",
            f"try another {argument('quality')}",
        )
    sample.psnr_db, sample.ssim = visibility.psnr_db, visibility.ssim
    sample.l2, sample.linf = visibility.l2, visibility.linf
    if view is not None:
        sample.survival["video"] = survival_meter.result()
        sample.view_survival["video"] = view.result()
    return picked.count
