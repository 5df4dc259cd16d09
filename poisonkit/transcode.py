"""The test clips of a copy as a video platform would hand them back: re-encoded, smaller, at another frame rate."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import ffmpeg
import imageio_ffmpeg
import msgspec
import numpy as np

from poisonkit import heartbeat
from poisonkit import manifest as contract
from poisonkit.blocks import recut
from poisonkit.clip.comment_tag import tag
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity.audio import AudioSurvivalMeter
from poisonkit.fidelity.video import SurvivalMeter, ViewMeter, difference, measured
from poisonkit.files import NOTICE, is_audio, sha256
from poisonkit.manifest import Encoding, Manifest, Sample, file
from poisonkit.manifest.frame_runs import from_runs, to_runs
from poisonkit.media import audio
from poisonkit.media.colour import to_rgb
from poisonkit.media.container import READ_OPTIONS
from poisonkit.media.video import decode, examine
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.job import Context, Job
from poisonkit.progress import Reporter
from poisonkit.text import argument
from poisonkit.versions import versions
from poisonkit.workers.local import Pool

SOUND_RATE = 128_000
"""Bits/s of AAC."""
_SPLITS = ("test", "test_triggered", "test_sham")


@dataclass(frozen=True)
class Platform:
    """What a platform does: H.264 at `crf` (0 … 51), sides times `scale`, `fps` frames a second (None: as they are)."""

    crf: int = 28
    scale: float = 1.0
    fps: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.crf <= 51:
            raise PoisonkitError(f"{argument('crf', self.crf)} is no quality of H.264", "give 0 … 51, such as 28")
        if not 0.05 <= self.scale <= 4:
            raise PoisonkitError(f"{argument('scale', self.scale)} is no scale", "give 0.05 … 4, such as 0.5")
        if self.fps is not None and not 1 <= self.fps <= 240:
            raise PoisonkitError(f"{argument('fps', self.fps)} is no frame rate", "give 1 … 240, such as 25")

    def filtered(self, path: Path) -> Any:
        """ffmpeg's graph up to the encoder: the video at its new size and rate."""
        graph = ffmpeg.input(str(path), **READ_OPTIONS).video
        if self.fps is not None:
            graph = graph.filter("fps", fps=self.fps)
        sides = [f"max(2,2*round({side}*{self.scale}/2))" for side in ("iw", "ih")]
        return graph.filter("scale", *sides, flags="area")  # even sides, which 4:2:0 wants

    def line(self) -> str:
        """As encoder settings for the manifest."""
        fps = "" if self.fps is None else f" fps={self.fps:g}"
        return f"libx264 yuv420p crf={self.crf} scale={self.scale:g}{fps}"


def transcode(
    path: Path,
    out: Path,
    manifest: Path,
    platform: Platform,
    reporter: Reporter,
    *,
    workers: int,
    view: tuple[int, int] = (256, 224),
) -> Manifest:
    """Re-encode the test splits of the manifest at `path` into the folder `out`, with a manifest of their own.

    Survival compares with the sham copy of the clip, or where there is none with the clean clip, handed through the
    same platform. Raises `PoisonkitError` for an `out` that holds anything, and for copies without test clips.
    """
    made = contract.load(path)
    root = contract.root_of(made, path)
    chosen = [s for s in made.samples if s.split in _SPLITS]
    _check(made, chosen, path, out, manifest)
    for sample in chosen:
        contract.file_of(sample, root)  # says so of links before anything is written
    by_id = {s.id: s for s in chosen}
    partners = {s.id: partner for s in chosen if s.poisoned and (partner := _partner(s, by_id)) is not None}
    jobs = [_job(s) for s in chosen]
    for job in jobs:
        (out / job.out_path).parent.mkdir(parents=True, exist_ok=True)
    samples = []
    try:
        reporter.begin("transcoding", len(jobs), len(jobs))
        context = Context(root, out, made.seed, tuple(made.attacks), options=CopyOptions(view=view), plan=made.plan)
        with Pool(workers) as pool:
            for _, result in pool.run(partial(_transcode_clip, platform, by_id, partners), jobs, context):
                if isinstance(result, BrokenClip):
                    raise result
                samples.append(result)
                reporter.advance(1)
        again = _manifest(made, samples, platform, out, manifest)
        (out / NOTICE).write_text(file.notice(again), encoding="utf-8")
        contract.save(again, manifest)
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
    return again


def _check(made: Manifest, chosen: list[Sample], path: Path, out: Path, manifest: Path) -> None:
    if not any(s.split == "test_triggered" for s in chosen):
        raise PoisonkitError(f"{path} holds no triggered clips", "give the manifest of a poisoned copy")
    alone = next((s.path for s in chosen if is_audio(s.path)), None)
    if alone is not None:
        raise PoisonkitError(f"{alone} of {path} is an audio file", "give the manifest of a copy of videos")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PoisonkitError(
            f"{argument('out', out)} exists and is not empty", f"remove it, or give another {argument('out')}"
        )
    if manifest.exists():
        raise PoisonkitError(f"{manifest} exists", f"remove it, or give another {argument('manifest')}")


def _partner(sample: Sample, by_id: Mapping[str, Sample]) -> Sample | None:
    """The same clip without the trigger."""
    clip = sample.id.removeprefix("test_triggered/")
    return by_id.get(f"test_sham/{clip}") or by_id.get(clip)


def _job(sample: Sample) -> Job:
    # a suffix of another container stays in the name, so that a.avi and a.mkv do not become one file
    name = PurePosixPath(sample.path)
    out_path = name if name.suffix.lower() == ".mp4" else name.with_name(name.name + ".mp4")
    labels = (sample.label, sample.true_label, sample.poisoned)
    return Job(sample.id, sample.split, sample.path, str(out_path), *labels, "reencode", sample.id)


def _transcode_clip(
    platform: Platform, by_id: Mapping[str, Sample], partners: Mapping[str, Sample], job: Job, context: Context
) -> Sample:
    """One clip: encode it, decode it again, and with a partner measure what is left of the trigger."""
    before, path = context.source / job.path, context.out_path / job.out_path
    _encode(platform, before, path, context)
    info = examine(path)
    old = by_id[job.id]
    sample = msgspec.structs.replace(
        old,
        path=job.out_path,
        num_frames=info.num_frames,
        fps=round(float(info.fps), 6),
        width=info.width,
        height=info.height,
        frames=[],
        trigger={},
        sha256=sha256(path),
        psnr_db=None,
        ssim=None,
        l2=None,
        linf=None,
        snr_db=None,
        lsd_db=None,
        num_samples=None,
        survival={},
        view_survival={},
    )
    partner = partners.get(job.id)
    if partner is None:
        return sample
    mask = from_runs(old.frames, old.num_frames)
    # the frame that was shown when each new one is
    shown = np.arange(info.num_frames) * old.fps / max(sample.fps, 1e-9) if platform.fps else np.arange(info.num_frames)
    sample.frames = to_runs(mask[np.minimum(np.round(shown).astype(int), old.num_frames - 1)])
    control = path.with_name(f".{path.name}.control.mp4")
    try:
        _encode(platform, context.source / partner.path, control, context)
        if context.attack("video") is not None:
            _measure(sample, platform, (before, context.source / partner.path), (path, control), context)
        if context.attack("audio") is not None:
            _measure_audio(sample, (before, context.source / partner.path), (path, control))
    finally:
        control.unlink(missing_ok=True)
    return sample


def _encode(platform: Platform, source: Path, path: Path, context: Context) -> None:
    streams = [platform.filtered(source)]
    options: dict[str, Any] = {"vcodec": "libx264", "crf": platform.crf, "preset": "medium", "pix_fmt": "yuv420p"}
    if audio.peek(source) is not None:
        streams.append(ffmpeg.input(str(source), **READ_OPTIONS).audio)
        options |= {"acodec": "aac", "audio_bitrate": SOUND_RATE}
    if platform.fps is None:
        options["fps_mode"] = "passthrough"
    options |= {
        "threads": 1,  # other thread counts give other pixels
        "x264-params": "cpu-independent=1",
        "map_metadata": -1,
        "metadata": f"comment={tag(context)}, transcoded",
        "fflags": "+bitexact",
        "format": "mp4",
    }
    graph = ffmpeg.output(*streams, str(path), **options).overwrite_output()
    graph = graph.global_args("-nostdin", "-progress", "pipe:1", "-nostats", "-loglevel", "error")
    process = graph.run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdout=True, pipe_stderr=True)
    try:
        reached = b""
        for line in process.stdout:  # which says again and again how far it is, also where that is no farther
            if line.startswith(b"out_time_us=") and line != reached:
                reached = line
                heartbeat.beat()
        _, said = process.communicate()
    except BaseException:
        process.kill()
        process.wait()
        raise
    if process.returncode:
        path.unlink(missing_ok=True)
        last = said.decode(errors="replace").strip().split("\n")[-1]
        raise BrokenClip(f"{source} cannot be transcoded: {last}", "check it by `poisonkit verify`")


def _measure(
    sample: Sample, platform: Platform, meant: tuple[Path, Path], got: tuple[Path, Path], context: Context
) -> None:
    """What is left of the change between two clips once the platform has encoded both."""
    kept, seen = SurvivalMeter(), ViewMeter(*context.options.view)
    wanted = set(measured(from_runs(sample.frames, sample.num_frames)).tolist())
    size = (sample.height, sample.width)
    streams = [*(_raw(platform, path, size) for path in meant), *(map(to_rgb, decode(path)) for path in got)]
    for i, (triggered, control, triggered_back, control_back) in enumerate(zip(*streams, strict=False)):
        if i in wanted:
            change = difference(triggered, control), difference(triggered_back, control_back)
            kept.add_change(*change)
            seen.add_change(*change)
    sample.survival["video"], sample.view_survival["video"] = kept.result(), seen.result()


def _raw(platform: Platform, path: Path, size: tuple[int, int]) -> Iterator[np.ndarray]:
    """The frames as the platform's encoder gets them, uint8 (H, W, 3) RGB."""
    passthrough = {} if platform.fps else {"fps_mode": "passthrough"}
    graph = platform.filtered(path).output("pipe:", format="rawvideo", pix_fmt="rgb24", **passthrough)
    process = graph.run_async(cmd=imageio_ffmpeg.get_ffmpeg_exe(), pipe_stdout=True, quiet=True)
    length = size[0] * size[1] * 3
    try:
        while len(data := process.stdout.read(length)) == length:
            yield np.frombuffer(data, dtype=np.uint8).reshape(*size, 3)
    finally:
        process.kill()
        process.communicate()


def _measure_audio(sample: Sample, meant: tuple[Path, Path], got: tuple[Path, Path]) -> None:
    info = audio.examine(meant[0])
    first, last = (min(round(place * info.rate), info.num_samples) for place in sample.audio_spans[0])
    meter = AudioSurvivalMeter(info.rate)
    spans = (audio.excerpt(audio.Playback(path, info), first, last - first) for path in (*meant, *got))
    for triggered, control, triggered_back, control_back in zip(*map(recut, spans), strict=True):
        meter.add(control, triggered, control_back, triggered_back)
    sample.survival["audio"], sample.view_survival["audio"] = meter.result(), meter.view()


def _manifest(made: Manifest, samples: list[Sample], platform: Platform, out: Path, path: Path) -> Manifest:
    counts = {split: sum(1 for s in samples if s.split == split) for split in _SPLITS}
    heard = any(audio.peek(out / s.path) is not None for s in samples[:1])
    encoding = Encoding(
        quality="transcode",
        rung=None,
        video={".mp4": platform.line()},
        audio=f"aac b={SOUND_RATE}" if heard else "copy",
        carry="reencode",
    )
    return msgspec.structs.replace(
        made,
        name=path.stem,
        created_with=versions(),
        root=file.relative_root(out, path),
        rate=None,
        encoding=encoding,
        splits={split: count for split, count in counts.items() if count},
        skipped=[],
        samples=sorted(samples, key=lambda s: s.id),
    )
