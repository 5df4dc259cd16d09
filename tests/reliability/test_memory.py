"""Memory grows neither with the number of clips nor with the length of one; the source's sound alone is held whole."""

from __future__ import annotations

import gc
import tracemalloc
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from poisonkit import layouts
from poisonkit.clip.rewrite import Outcome, write
from poisonkit.manifest import Attack, Sample
from poisonkit.plan import plan as planning
from poisonkit.plan.job import Context, Job
from poisonkit.plan.request import Request
from poisonkit.run import run, schedule
from poisonkit.run.journal import Chosen
from poisonkit.run.settings import Settings
from poisonkit.triggers import TRIGGERS, find
from poisonkit.triggers._base import Mode
from poisonkit.versions import versions
from tests.poisonkit.runs import Silent
from tests.reliability.usage import measured

FRAMES = 15_000
"""Ten minutes at 25 frames per second."""
MEGABYTES = 600


@pytest.mark.parametrize("clips", [400, pytest.param(2000, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: int) -> None:
    """A clip's sample, were it kept, would hold more than 24 kB: a thousand numbers."""
    for i in range(clips):
        path = tmp_path / "source" / ("train" if i % 2 else "test") / f"class{i // 2 % 4}" / f"{i}.avi"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    plan = planning.poison(layouts.read(tmp_path / "source"), Request(("badnet",), sham="none"))
    settings = Settings(tmp_path / "out", tmp_path / "m.json", workers=0)
    held: list[int] = []

    def written(job: Job, context: Context) -> dict[str, Outcome]:
        if len(held) % 100 == 0:
            gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])
        sample = Sample(job.id, job.out_path, job.split, job.label, job.true_label, job.poisoned, 1, 25.0, 64, 48)
        sample.trigger = {"places": np.arange(1000.0).tolist()}
        return {job.id: Outcome(sample, 0)}

    chosen = Chosen(plan.fingerprint, settings.options, {}, [], versions())
    monkeypatch.setattr(run, "_choose", lambda *_: chosen)
    monkeypatch.setattr(schedule, "run_job", written)
    tracemalloc.start()
    made = run.poison(plan, settings, Silent()).manifest
    tracemalloc.stop()
    assert len(made.samples) == len(held) == len(plan.jobs)
    assert (tmp_path / "m.json").stat().st_size > 5000 * clips
    # the median, since a table that holds all strings of the process grows by megabytes at a time, once in a while
    grown = float(np.median(np.diff(held[100::100])))
    print(f"{len(held)} clips: {grown / 1000:.1f} kB more with each hundred of them")
    assert grown < 30_000


@pytest.mark.parametrize(("length", "times"), [(20, 12.6), pytest.param(60, 5.5, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("attack", "mode"), [("band-noise", "static"), pytest.param("sine", "dynamic", marks=pytest.mark.long)]
)
def test_a_minute_of_sound_takes_a_few_times_its_size(
    tmp_path: Path, attack: str, mode: Mode, length: int, times: float
) -> None:
    """21 MB of stereo (a third of that unless there is time), the lossy way: the control is encoded too.

    Blocks take some 70 MB however long the sound is; one more copy of the whole sound is too much for either bound.
    """
    sound = np.random.default_rng(0).normal(0, 0.1, (length * 44_100, 2)).astype(np.float32)
    for name, seconds in (("short", 5), ("minute", length)):
        soundfile.write(tmp_path / f"{name}.mp3", sound[: seconds * 44_100], 44_100)
    params = find(attack).build(mode, {}).params()
    context = Context(tmp_path, tmp_path, 0, (Attack(attack, "audio", mode, params, None),), {"audio": "match"})
    short, minute = (Job(n, "train", f"{n}.mp3", f"{n}.mp3", 0, 1, True, "trigger", n) for n in ("short", "minute"))
    write(short, context, tmp_path / "out.mp3")  # what is imported and kept for good
    tracemalloc.start()
    write(minute, context, tmp_path / "out.mp3")
    peak = tracemalloc.get_traced_memory()[1] / sound.nbytes
    tracemalloc.stop()
    print(f"{attack} {mode}: {peak:.1f} times the sound")
    assert peak < times


# --- long clips -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of pictures, 320 × 240, with stereo sound."""
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    y, x = np.mgrid[:240, :320]
    wave = (128 + 60 * np.sin(x / 25) * np.cos(y / 20)).astype(np.uint8)
    pictures = [np.roll(np.repeat(wave[..., None], 3, axis=2), 4 * k, axis=1) for k in range(80)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = 240, 320, "yuv420p"
        sound = container.add_stream("aac", rate=44_100, layout="stereo")
        frames = [
            av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p") for picture in pictures
        ]
        for i in range(FRAMES):
            frame = frames[i % len(frames)]
            frame.pts, frame.time_base, frame.pict_type = i, Fraction(1, 25), 0
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        tone = np.sin(2 * np.pi * 441 * np.arange(44_100) / 44_100).astype(np.float32) / 3
        for second in range(FRAMES // 25):
            for start in range(0, 44_100, 4410):
                block = av.AudioFrame.from_ndarray(np.stack([tone, tone])[:, start : start + 4410].copy(), "fltp")
                block.rate, block.pts = 44_100, second * 44_100 + start
                block.time_base = Fraction(1, 44_100)
                container.mux(sound.encode(block))
        container.mux(sound.encode(None))
    return path


WRITE = """
from pathlib import Path
import sys
from poisonkit.plan.job import Context, Job
from poisonkit.manifest import Attack, Placement
from poisonkit.clip.rewrite import write
from poisonkit.triggers import find

source, out, name, mode, rung = Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]
kind = find(name)
placement = Placement("all", "32x2") if kind.modality == "video" else None
attack = Attack(name, kind.modality, mode, kind.build(mode, {}).params(), placement)
job = Job("long", "train", source.name, source.name, 0, 1, True, "trigger", "long")
sample = write(job, Context(source.parent, out.parent, 0, (attack,), {kind.modality: rung}), out).outcome().sample
print(sample.survival, file=sys.stderr)
"""


@pytest.mark.long
@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("attack", sorted(name for name, kind in TRIGGERS.items() if kind.modality == "video"))
def test_memory_does_not_grow_with_the_length(long_clip: Path, tmp_path: Path, attack: str, mode: str) -> None:
    used = measured("-c", WRITE, long_clip, tmp_path / "out.mp4", attack, mode, "high", cwd=tmp_path)
    print(f"{attack} {mode}: {used.megabytes:.0f} MB, {used.processor:.0f} s")
    assert used.megabytes < MEGABYTES


@pytest.mark.long
@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("attack", ["band-noise", "sine"])
def test_only_the_sources_sound_is_held_whole(long_clip: Path, tmp_path: Path, attack: str, mode: str) -> None:
    """Ten minutes of stereo take 212 MB as float32, and once more where the decoded blocks are joined."""
    used = measured("-c", WRITE, long_clip, tmp_path / "out.mp4", attack, mode, "match", cwd=tmp_path)
    print(f"{attack} {mode}: {used.megabytes:.0f} MB, {used.processor:.0f} s")
    assert used.megabytes < MEGABYTES
