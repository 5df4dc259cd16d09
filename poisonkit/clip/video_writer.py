"""The video of one clip, re-encoded and measured."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from poisonkit.clip.frame_geometry import frames_of, written
from poisonkit.clip.sample import VideoFacts
from poisonkit.clip.source_clip import Clip, Control
from poisonkit.clip.video_attack import VideoAttack
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity.video import SurvivalMeter, ViewMeter, VisibilityMeter, difference, measured
from poisonkit.files import is_audio
from poisonkit.media.colour import rgb_of, to_rgb
from poisonkit.media.encoders import encoder
from poisonkit.media.frame_picker import Picked
from poisonkit.media.video import VideoInfo, count_packets, examine
from poisonkit.media.writer import Loopback, NewVideo, Writer
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.triggers import Versions


def check_writable(info: VideoInfo, source: Path, container: str) -> None:
    """Raise `BrokenClip` for a clip whose video cannot be re-encoded."""
    if info.rotation:
        raise BrokenClip(
            f"{source} is shown turned by {info.rotation} degrees, which a written copy would not be",
            "turn its frames themselves (ffmpeg does when it re-encodes), or go on without it by "
            f"{argument('skip_broken', True)}",
        )
    if info.pts[0] < 0 and container in ("mp4", "mov"):  # it would be written, and an edit list would hide it
        raise BrokenClip(
            f"{source} begins {float(-info.pts[0] * info.time_base):.3f} s before its time zero, and players leave out "
            "what lies there",
            "remux it (ffmpeg -i … -c copy -avoid_negative_ts make_zero …), or go on without it by "
            f"{argument('skip_broken', True)}",
        )


class VideoWriter:
    """The video of one clip, re-encoded.

    `control`: the same clip without the trigger, if it was written before. Any other triggered clip has its control
    encoded in memory, for survival alone.
    """

    def __init__(
        self,
        job: Job,
        context: Context,
        clip: Clip,
        container: str,
        control: Control | None = None,
        max_frames: int | None = None,
    ) -> None:
        if is_audio(clip.path.name):
            raise BrokenClip(f"{clip.path} holds no video", "attack its audio, or leave it out of the data set")
        found, self._held = clip.video(hold=True)
        check_writable(found, clip.path, container)
        self._id, self._found, self._context = job.id, found, context
        info = written(context.geometry, found)
        if max_frames is not None:
            info = info.first(max_frames)
        spec = encoder(context.rungs["video"], info, container)
        self.new = NewVideo(spec, info)
        plain = context.geometry.short_side is None
        self._attack = VideoAttack(job, context, info, spec.pix_fmt if plain else None)
        frames = measured(self._attack.placed.mask) if context.options.survival else np.zeros(0, np.int64)
        self._frames = MeasuredFrames(frozenset(frames.tolist()), back=dict(control.frames) if control else {})
        # the control of a lossless codec comes back as it is
        alone = control is None and self._attack.trigger is not None and not spec.is_rgb
        self._loop = (
            Loopback(spec, info, clip.path, self._frames.wanted) if context.options.survival and alone else None
        )

    def write(self, writer: Writer) -> None:
        frames = frames_of(self._context.geometry, self._held.frames(), self._found)
        for i, versions in enumerate(self._attack.versions(frames)):
            writer.write(versions.triggered)
            if self._loop is not None:
                self._frames.add_back(self._loop.write(versions.control))
            self._frames.add(i, versions, self._attack)
        if self._loop is not None:
            self._frames.add_back(self._loop.flush())

    def measure(self, path: Path) -> VideoFacts:
        """Read the written file back, check its length, and say what it holds."""
        facts = VideoFacts(self.new.info, self._context.geometry.written_stride, self._attack.record())
        if self._context.options.survival:
            count, facts = self._compared(path, facts)
        else:
            count = count_packets(path)
            if count != self.new.info.num_frames:  # VP8 has packets that show nothing
                count = examine(path).num_frames
        if count != self.new.info.num_frames:
            raise PoisonkitError(
                f"{self._id}: the written file holds {count} frames where {self.new.info.num_frames} were written",
                f"try another {argument('quality')}",
            )
        return facts

    @property
    def back(self) -> Mapping[int, np.ndarray]:
        """The measured frames of a clip without the trigger, after the codec; once `measure` has run."""
        return self._frames.back

    def _compared(self, path: Path, facts: VideoFacts) -> tuple[int, VideoFacts]:
        """The number of frames of the written file, and the facts with fidelity and, of a trigger, survival."""
        frames, trigger = self._frames, self._attack.trigger
        dynamic = trigger is not None and trigger.mode == "dynamic"
        visibility, survival = VisibilityMeter(), SurvivalMeter(per_frame=dynamic)
        view = ViewMeter(*self._context.options.view)
        picked = Picked(path, frames.wanted)
        for i, frame in picked:
            written = to_rgb(frame)
            visibility.add(frames.source[i], written)
            if trigger is None:
                frames.back[i] = written
                continue
            change = frames.changes(i, written)
            survival.add_change(*change)
            view.add_change(*change)
        if any(k < picked.count for k in picked.missing):
            raise PoisonkitError(
                f"{self._id}: the written file does not give its frame {min(picked.missing)}",
                f"try another {argument('quality')}",
            )
        return picked.count, dataclasses.replace(
            facts,
            psnr_db=visibility.psnr_db,
            ssim=visibility.ssim,
            l2=visibility.l2,
            linf=visibility.linf,
            survival=None if trigger is None else survival.result(),
            view_survival=None if trigger is None else view.result(),
        )


@dataclass
class MeasuredFrames:
    """The measured frames of a clip, uint8 (H, W, 3) RGB by number: the source's, its control's and triggered ones.

    `back`: the control's after the codec; a lossless codec has none, since they come back as they are.
    """

    wanted: frozenset[int]
    source: dict[int, np.ndarray] = field(default_factory=dict)
    control: dict[int, np.ndarray] = field(default_factory=dict)
    triggered: dict[int, np.ndarray] = field(default_factory=dict)
    back: dict[int, np.ndarray] = field(default_factory=dict)

    def add(self, i: int, versions: Versions, attack: VideoAttack) -> None:
        if i in self.wanted:
            source, control, triggered = versions
            self.source[i] = rgb_of(source)
            self.control[i] = self.source[i] if control is source else rgb_of(control)
            self.triggered[i] = self.control[i] if triggered is control else attack.intended_frame(i, versions)

    def add_back(self, frames: Iterable[tuple[int, av.VideoFrame]]) -> None:
        for i, frame in frames:
            self.back[i] = to_rgb(frame)

    def changes(self, i: int, written: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The change that was meant for frame i, and the one that its written form holds."""
        control = self.control[i]
        return difference(self.triggered[i], control), difference(written, self.back.get(i, control))
