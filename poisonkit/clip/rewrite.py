"""One clip: decode → trigger → encode → read back and measure → rename into place.

A clip that gets a sham copy as well is decoded once for both, and survival takes the sham copy for its control; any
other one has its control encoded for that alone.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from poisonkit.clip.audio_attack import SoundChange
from poisonkit.clip.video_attack import Change, Pictures
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity.audio import AudibilityMeter, SoundSurvivalMeter
from poisonkit.fidelity.video import SurvivalMeter, ViewMeter, VisibilityMeter, difference, measured
from poisonkit.files import TAG, Method, carry, is_sound, sha256
from poisonkit.manifest import Sample
from poisonkit.media.audio import Playback, SoundInfo, recut
from poisonkit.media.audio import examine as examine_sound
from poisonkit.media.audio import peek as peek_sound
from poisonkit.media.audio import read as read_sound
from poisonkit.media.audio_encoders import sound_encoder
from poisonkit.media.encoders import container_of, encoder
from poisonkit.media.video import Held, Picked, VideoInfo, count_packets, examine, rgb_of, to_rgb
from poisonkit.media.writer import Loopback, NewPictures, NewSound, Writer, write_sound
from poisonkit.plan.job import Context, Job


@dataclass(frozen=True)
class Outcome:
    """What came of one job. `carried` is how an unchanged file was carried."""

    sample: Sample
    carried: Method | None = None
    size: int = 0
    encoder_line: str | None = None
    sound_line: str | None = None


def do(job: Job, context: Context) -> dict[str, Outcome]:
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


class Clip:
    """A source clip that is read once, though it may be written twice: without the trigger, and then with it.

    `control`: the file without the trigger, once it is written; `control_back`: what was measured of its frames.
    """

    def __init__(self, path: Path, copies: int = 1) -> None:
        self.path = path
        self.control: Path | None = None
        self.control_back: dict[int, np.ndarray] = {}
        self._copies = copies
        self._pictures: tuple[VideoInfo, Held] | None = None
        self._sound: tuple[SoundInfo, np.ndarray] | None = None

    def pictures(self, *, hold: bool) -> tuple[VideoInfo, Held]:
        """What the pictures are, and the frames, where they are to be held."""
        if self._pictures is None:
            held = Held(self.path, self._copies)
            self._pictures = examine(self.path, held if hold else None), held
        return self._pictures

    def sound(self) -> tuple[SoundInfo, np.ndarray]:
        """What the sound is, and all of it, float32 (C, N); it must not be written to."""
        if self._sound is None:
            self._sound = read_sound(self.path)
        if self._sound is None:
            raise BrokenClip(f"{self.path} holds no sound; leave it out by --no-audio skip")
        return self._sound


def _carry(job: Job, context: Context, source: Path) -> Outcome:
    alone = is_sound(source.name)
    sample = _sample(job, None if alone else examine(source), examine_sound(source) if alone else None)
    method = None
    if job.action == "carry":
        method = carry(source, context.out_path / job.out_path, context.temporary(job), link=context.link)
    if context.hash_all:
        sample.sha256 = sha256(source)
    return Outcome(sample, carried=method, size=source.stat().st_size)


def _sample(job: Job, info: VideoInfo | None, sound: SoundInfo | None) -> Sample:
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
    info = None if is_sound(source.name) else clip.pictures(hold="video" in wanted)[0]
    if "audio" in wanted:
        sound = _Sound(job, context, clip, container)
    if "video" in wanted:
        pictures = _Pictures(job, context, clip, container, _writable(info, source, container), max_frames)
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
        raise PoisonkitError(f"{sample.id}: its pictures could not be carried over whole; convert the clip first")
    if sound is not None:
        sound.measure(sample, path, context)
    return Outcome(
        sample,
        size=path.stat().st_size,
        encoder_line=pictures.new.spec.line() if pictures else None,
        sound_line=sound.new.spec.line() if sound else None,
    )


def _writable(info: VideoInfo | None, source: Path, container: str) -> VideoInfo:
    """The clip's pictures; raises `BrokenClip` where they cannot be written anew."""
    if info is None:
        raise BrokenClip(f"{source} holds no pictures; attack its sound, or leave it out of the data set")
    if info.rotation:
        raise BrokenClip(
            f"{source} is shown turned by {info.rotation} degrees, which a written copy would not be; turn its "
            f"pictures themselves (ffmpeg does when it re-encodes), or go on without it by --skip-broken"
        )
    if info.pts[0] < 0 and container in ("mp4", "mov"):  # it would be written, and an edit list would hide it
        raise BrokenClip(
            f"{source} begins {float(-info.pts[0] * info.time_base):.3f} s before its time zero, and players leave out "
            f"what lies there; remux it (ffmpeg -i … -c copy -avoid_negative_ts make_zero …), or go on without it by "
            f"--skip-broken"
        )
    return info


class _Pictures:
    """The pictures of one clip, written anew."""

    def __init__(
        self, job: Job, context: Context, clip: Clip, container: str, found: VideoInfo, max_frames: int | None
    ) -> None:
        info = context.geometry.of(found)
        if max_frames is not None:
            info = info.first(max_frames)
        self._found, self._geometry = found, context.geometry
        spec = encoder(context.rungs["video"], info, container)
        self.new = NewPictures(spec, info)
        plain = context.geometry.short_side is None
        self._change = Change(job, context, info, spec.pix_fmt if plain else None)
        self._survival = context.survival
        self._take = _Take.for_frames(measured(self._change.placed.mask) if context.survival else np.zeros(0, np.int64))
        self._held, self._view = clip.pictures(hold=True)[1], context.view
        self._take.control_back = clip.control_back
        # the control of a lossless codec comes back as it is
        needed = context.survival and not spec.is_rgb and self._change.trigger is not None and clip.control is None
        self._loop = Loopback(spec, info, clip.path, self._take.wanted) if needed else None

    def write(self, writer: Writer) -> None:
        for i, pictures in enumerate(self._change.pictures(self._geometry.frames(self._held.frames(), self._found))):
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


class _Sound:
    """The sound of one clip, written anew. Only the source's is held; all else passes by in blocks."""

    def __init__(self, job: Job, context: Context, clip: Clip, container: str) -> None:
        info, self._before = clip.sound()
        self._change = SoundChange(job, context, info)
        self._clip = clip
        spec = sound_encoder(context.rungs["audio"], info, container)
        self.new = NewSound(spec, info, self._change.blocks(self._before))

    def measure(self, sample: Sample, path: Path, context: Context) -> None:
        """Decode the written file, check its form, and fill in fidelity and the span."""
        info = self.new.info
        self._check(sample, path)
        sample.sample_rate, sample.channels = info.rate, info.channels
        if context.survival:
            self._compare(sample, path, context)
        else:
            sample.num_samples = examine_sound(path).num_samples
        self._change.describe(sample)

    def _compare(self, sample: Sample, path: Path, context: Context) -> None:
        info = self.new.info
        back = Playback(path, info)
        audibility, survival = AudibilityMeter(), SoundSurvivalMeter(info.rate)
        if self._change.trigger is None:
            for before, written in zip(recut([self._before]), recut(back), strict=True):
                audibility.add(before, written)
        else:
            first, last = self._change.span
            parts = ([self._before], self._change.blocks(self._before), self._control(path, context), back)
            place = 0
            for blocks in zip(*map(recut, parts), strict=True):
                audibility.add(blocks[0], blocks[3])
                before, after, before_back, after_back = (
                    block[:, max(first - place, 0) : max(last - place, 0)] for block in blocks
                )
                survival.add(before, after, before_back, after_back)
                place += blocks[0].shape[1]
            sample.survival["audio"], sample.view_survival["audio"] = survival.result(), survival.view()
        sample.num_samples = back.num_samples
        sample.snr_db, sample.lsd_db = audibility.snr_db, audibility.lsd_db

    def _check(self, sample: Sample, path: Path) -> None:
        info, found = self.new.info, peek_sound(path)
        if found is None:
            raise PoisonkitError(
                f"{path} was written without its sound; this is a fault of poisonkit, please report it"
            )
        if (found.rate, found.channels) != (info.rate, info.channels):
            raise PoisonkitError(
                f"{sample.id}: the written sound has {found.rate} Hz and {found.channels} channels where "
                f"{info.rate} Hz and {info.channels} were written; try another --quality"
            )

    def _control(self, path: Path, context: Context) -> Iterator[np.ndarray]:
        """The source's sound after the same encoder, in blocks."""
        if self.new.spec.exact:  # whole steps end at full scale, beyond which lossy decoders may go
            whole = self.new.spec.sample_format == "flt"
            yield from (part if whole else part.clip(-1, 1) for part in recut([self._before]))
            return
        if self._clip.control is not None:
            yield from Playback(self._clip.control, self.new.info)
            return
        with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
            alone = Path(folder) / f"control{path.suffix}"
            write_sound(alone, dataclasses.replace(self.new, blocks=[self._before]), self._clip.path, tag(context))
            yield from Playback(alone, self.new.info)


@dataclass
class _Take:
    """The measured frames of a clip: the source's, control and triggered ones, and the control after the codec."""

    wanted: frozenset[int]
    source: dict[int, np.ndarray]
    control: dict[int, np.ndarray]
    triggered: dict[int, np.ndarray]
    control_back: dict[int, np.ndarray]

    @classmethod
    def for_frames(cls, frames: np.ndarray) -> _Take:
        return cls(frozenset(frames.tolist()), {}, {}, {}, {})

    def add(self, i: int, pictures: Pictures, change: Change) -> None:
        if i in self.wanted:
            source, control, triggered = pictures
            self.source[i] = rgb_of(source)
            self.control[i] = self.source[i] if control is source else rgb_of(control)
            self.triggered[i] = self.control[i] if triggered is control else change.meant(i, pictures)

    def back(self, frames: Iterable[tuple[int, av.VideoFrame]]) -> None:
        for i, frame in frames:
            self.control_back[i] = to_rgb(frame)


def _check_count(sample: Sample, count: int, info: VideoInfo) -> None:
    if count != info.num_frames:
        raise PoisonkitError(
            f"{sample.id}: the written file holds {count} frames where {info.num_frames} were written; "
            f"try another --quality"
        )


def _measure(sample: Sample, take: _Take, path: Path, view: ViewMeter | None, *, dynamic: bool) -> int:
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
            f"{sample.id}: the written file does not give its frame {min(picked.missing)}; try another --quality"
        )
    sample.psnr_db, sample.ssim = visibility.psnr_db, visibility.ssim
    sample.l2, sample.linf = visibility.l2, visibility.linf
    if view is not None:
        sample.survival["video"] = survival_meter.result()
        sample.view_survival["video"] = view.result()
    return picked.count


def tag(context: Context) -> str:
    """The container's comment, so that nobody takes the file for a clean one. It must not depend on time or place."""
    what = " and ".join(f"{attack.name} {attack.mode}" for attack in context.attacks) or "labels only"
    named = f", plan {context.plan}" if context.plan else ""  # of trials and previews there is no manifest
    return f"{TAG} for backdoor research: {what}, seed {context.seed}{named}"
