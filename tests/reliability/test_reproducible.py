"""One seed, the same bytes: whatever the workers, the order, the day, the folder and the surroundings are."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from poisonkit import layouts
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request
from poisonkit.run import run
from poisonkit.run.audio_check import audible
from poisonkit.workers.local import Pool
from tests.conftest import CLASSES, REPOSITORY, moving_frames, shared, write_clip
from tests.poisonkit.runs import Silent, settings_of

REQUESTS = {
    "badnet": Request(("badnet",), "dynamic", rate=0.4, frames="random", window="8x2", seed=3),
    "frame-lag": Request(("frame-lag",), rate=0.4),
    "video-corruption": Request(("video-corruption",), "dynamic", rate=0.4, frames="3", window="8x2"),
    "sine": Request(("sine",), "dynamic", rate=0.4),
    "both": Request(("wanet", "band-noise"), "dynamic", rate=0.4, frames="4", window="8x2"),
    "none": Request(rate=0.4, short_side=32),
}
Bytes = dict[str, bytes | dict[str, Any]]

LATER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <sys/time.h>
#include <time.h>
#define DAYS (400L * 24 * 3600)

int clock_gettime(clockid_t id, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) now->tv_sec += DAYS;
    return result;
}
int gettimeofday(struct timeval *now, void *zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *into) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (into) *into = precise.tv_sec;
    return precise.tv_sec;
}
"""
"""A clock that is 400 days ahead, for FFmpeg's libraries too."""


def write_webm(path: Path, frames: np.ndarray, hertz: float) -> None:
    """VP9 with Opus, which `write_clip` has not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=25, options={"cpu-used": "8", "deadline": "realtime"})
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], "yuv420p"
        sound = container.add_stream("libopus", rate=48_000, layout="mono")
        for array in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
        samples = 0.5 * np.sin(2 * np.pi * hertz * np.arange(48_000 * len(frames) // 25) / 48_000)
        for start in range(0, len(samples), 960):
            part = samples[None, start : start + 960].astype(np.float32)
            block = av.AudioFrame.from_ndarray(part, format="flt", layout="mono")
            block.rate, block.pts, block.time_base = 48_000, start, Fraction(1, 48_000)
            container.mux(sound.encode(block))
        container.mux(sound.encode(None))


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips with sound in all containers, in train/ and test/."""
    return shared(tmp_path_factory, "containers", lambda folder: write_source(folder / "clips")) / "clips"


def write_source(root: Path) -> None:
    for label, name in enumerate(CLASSES[:2]):
        for k, suffix in enumerate((".mp4", ".avi", ".mkv", ".webm")):
            # each class tests on two containers, all four are in either part
            part = "train" if (k + label) % 2 else "test"
            path, frames = root / part / name / f"{name}_{k}{suffix}", moving_frames(20, 48, 64, seed=10 * label + k)
            hertz = 300.0 + 200 * label + 10 * k
            if suffix == ".webm":
                write_webm(path, frames, hertz)
            else:
                write_clip(path, frames, sound_hz=hertz)


@pytest.fixture(scope="session")
def clock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The library that makes it another day."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler for another clock")
    folder = tmp_path_factory.mktemp("clock")
    (folder / "later.c").write_text(LATER)
    library = folder / "later.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, folder / "later.c", "-ldl"], check=True)
    return str(library)


def poison(source: Path, out: Path, request: Request, **settings: Any) -> Bytes:
    listing, skipped = audible(layouts.read(source), planning.make_attacks(request), Silent(), skip=True, workers=0)
    options = settings_of(out, out.with_suffix(".json"), **{"quality": "high", "force": True, **settings})
    run.poison(planning.poison(listing, request, skipped), options, Silent())
    return read(out)


def read(out: Path) -> Bytes:
    """All that a run wrote, but for what names the place: the manifest's root and name, and how files were carried."""
    found: Bytes = {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}
    made = json.loads(out.with_suffix(".json").read_text())
    made["root"] = made["name"] = made["encoding"]["carry"] = None
    return {**found, "manifest": made}


def differing(one: Bytes, other: Bytes) -> list[str]:
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


class First(dict[str, Bytes]):
    """The first run of every attack, carried out when it is asked for, once for all processes of the tests."""

    def __init__(self, source: Path, factory: pytest.TempPathFactory) -> None:
        super().__init__()
        self.source, self.factory = source, factory

    def __missing__(self, name: str) -> Bytes:
        folder = shared(self.factory, f"first-{name}", lambda out: poison(self.source, out / "out", REQUESTS[name]))
        files = self[name] = read(folder / "out")
        written = {Path(s["path"]).suffix for s in files["manifest"]["samples"] if "sha256" in s}  # type: ignore[index]
        assert written == {".mp4", ".avi", ".mkv", ".webm"}
        return files


@pytest.fixture(scope="session")
def first(source: Path, tmp_path_factory: pytest.TempPathFactory) -> First:
    return First(source, tmp_path_factory)


def elsewhere(source: Path, folder: Path) -> Path:
    """The same files in another folder, with other times."""
    copy = Path(shutil.copytree(source, folder / "other name"))
    for k, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (1_000_000_000 + k, 1_000_000_000 + k))
    return copy


def command(source: Path, out: Path, request: Request, *more: str) -> list[str]:
    line = [sys.executable, "-m", "poisonkit", "poison", str(source), "--mode", request.mode]
    for name in request.attacks or ("none",):
        line += ["--attack", name]
    line += ["--short-side", str(request.short_side)] if request.short_side else []
    line += ["--rate", str(request.rate), "--frames", request.frames, "--window", request.window]
    line += ["--seed", str(request.seed), "--quality", "high", "--force", "--no-audio", "skip", "--out", str(out)]
    return [*line, "--manifest", str(out.with_suffix(".json")), *more]


def strange(clock: str, *, day: bool = True) -> dict[str, str]:
    """Another time zone, language, hash seed and day."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.split()
    local = next((name for name in known if name.lower().startswith(("de_", "tr_", "fr_"))), "POSIX")
    made = {**os.environ, "PYTHONPATH": str(REPOSITORY), "TZ": "Pacific/Kiritimati", "LC_ALL": local, "LANG": local}
    return {**made, "PYTHONHASHSEED": "4711", "HOME": "/", **({"LD_PRELOAD": clock} if day else {})}


LONG = ("badnet", "sine", "frame-lag")
"""What these change, pixels and samples, the short suite has in `both`."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.long) if n in LONG else n for n in REQUESTS])
def test_everything_else_at_once(source: Path, first: First, clock: str, tmp_path: Path, name: str) -> None:
    out = tmp_path / "deep" / "er" / "out"
    line = command(elsewhere(source, tmp_path), out, REQUESTS[name], "--workers", "2", "--carry", "copy")
    done = subprocess.run(line, env=strange(clock), cwd=tmp_path, umask=0o077, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert differing(read(out), first[name]) == []


def test_the_other_day_is_another_day(clock: str) -> None:
    code = "import datetime; print(datetime.date.today().toordinal())"
    now, then = (
        int(subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True).stdout)
        for env in ({**os.environ, "TZ": "Pacific/Kiritimati"}, strange(clock))
    )
    assert then - now in (400, 401)


# --- one by one, so that a difference has a name; what the above has too, where there is time -------

ONE = "both"


class Backwards(Pool):
    """Jobs in the opposite order."""

    def run(self, work: Any, jobs: Sequence[Any], context: Any) -> Iterator[Any]:
        return super().run(work, jobs[::-1], context)


def test_another_order(source: Path, first: First, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "Pool", Backwards)
    assert differing(poison(source, tmp_path / "out", REQUESTS[ONE]), first[ONE]) == []


@pytest.mark.long
def test_two_workers(source: Path, first: First, tmp_path: Path) -> None:
    assert differing(poison(source, tmp_path / "out", REQUESTS[ONE], workers=2), first[ONE]) == []


@pytest.mark.long
def test_another_folder_and_other_times(source: Path, first: First, tmp_path: Path) -> None:
    copy = elsewhere(source, tmp_path)
    assert differing(poison(copy, tmp_path / "out", REQUESTS[ONE], carry="copy"), first[ONE]) == []


@pytest.mark.long
def test_another_mask(source: Path, first: First, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        made = poison(source, tmp_path / "out", REQUESTS[ONE])
    finally:
        os.umask(before)
    assert differing(made, first[ONE]) == []


@pytest.mark.long
def test_another_language_zone_and_hash_seed(source: Path, first: First, tmp_path: Path) -> None:
    line = command(source, tmp_path / "out", REQUESTS[ONE], "--workers", "1")
    subprocess.run(line, env=strange("", day=False), check=True, capture_output=True)
    assert differing(read(tmp_path / "out"), first[ONE]) == []


def test_another_seed_is_another_copy(source: Path, first: First, tmp_path: Path) -> None:
    other = Request(("wanet", "band-noise"), "dynamic", rate=0.4, frames="4", window="8x2", seed=1)
    made = poison(source, tmp_path / "out", other)
    changed = differing(made, first[ONE])
    assert len([name for name in changed if name.startswith("test_triggered/")]) == 4


def test_auto_takes_the_same_rung(source: Path, tmp_path: Path) -> None:
    runs = [
        poison(source, tmp_path / str(workers) / "out", REQUESTS["badnet"], quality="auto", workers=workers)
        for workers in (1, 2)
    ]
    assert differing(*runs) == []
