"""What several tests share: small clips that are made on the spot, small data sets, and the real data where it is."""

from __future__ import annotations

import atexit
import fcntl
import functools
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

# exact weights and several processes are compared, neither of which one GPU gives; CUDA_VISIBLE_DEVICES=0 tests there
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips, or a skip that says so."""
    folder = Path(os.environ.get("POISONKIT_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (folder / "ut-interaction").is_dir():
        pytest.skip(f"no real data at {folder}; set POISONKIT_DATA")
    return folder


def moving_frames(num_frames: int, height: int = 48, width: int = 64, seed: int = 0) -> np.ndarray:
    """uint8 (T, H, W, 3): a smooth picture that moves sideways, so that no two frames are equal."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, 3)
    y, x = np.mgrid[:height, :width].astype(float)
    frames = []
    for t in range(num_frames):
        wave = [128 + 90 * np.sin(x / 7 + t / 5 + phase[c]) * np.cos(y / 9 + c) for c in range(3)]
        frames.append(np.stack(wave, axis=-1).astype(np.uint8))
    return np.stack(frames)


def write_clip(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "mpeg4",
    pix_fmt: str = "yuv420p",
    fps: int = 25,
    options: dict[str, str] | None = None,
    sound_hz: float | None = None,
) -> Path:
    """Write RGB frames, and a sine as the audio track where `sound_hz` is given; the same clip is encoded once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = (hashlib.blake2b(frames.tobytes()).digest(), frames.shape, frames.dtype.str)
    asked = (path.suffix, codec, pix_fmt, fps, tuple((options or {}).items()), sound_hz)
    if (found := _ENCODED.get((*content, *asked))) is not None:
        path.write_bytes(found)
        return path
    _encode(path, frames, codec, pix_fmt, fps, options or {}, sound_hz)
    if path.stat().st_size < 2**18:
        _ENCODED[*content, *asked] = path.read_bytes()
    return path


_ENCODED: dict[tuple[object, ...], bytes] = {}
"""Small clips that this process wrote, by all that their bytes depend on."""


def _encode(
    path: Path,
    frames: np.ndarray,
    codec: str,
    pix_fmt: str,
    fps: int,
    options: dict[str, str],
    sound_hz: float | None,
) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        if codec == "mpeg4":
            stream.bit_rate = 1_000_000
        # AAC's time stamps in AVI are a guess of the reader's; AVI files hold MP3
        sound_codec, block = ("libmp3lame", 1152) if path.suffix == ".avi" else ("aac", 1024)
        sound = container.add_stream(sound_codec, rate=44_100, layout="mono") if sound_hz else None
        for array in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        container.mux(stream.encode(None))
        if sound is not None and sound_hz:
            samples = 0.5 * np.sin(2 * np.pi * sound_hz * np.arange(44_100 * len(frames) // fps) / 44_100).astype(
                np.float32
            )
            for start in range(0, len(samples), block):
                frame = av.AudioFrame.from_ndarray(samples[None, start : start + block], format="fltp", layout="mono")
                frame.rate, frame.pts, frame.time_base = 44_100, start, Fraction(1, 44_100)
                container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def write_lossless(path: Path, frames: np.ndarray, fps: int = 25) -> Path:
    """Write RGB frames that decode to exactly the same pixels."""
    options = {"qp": "0", "bf": "0", "preset": "ultrafast"}
    return write_clip(path, frames, codec="libx264rgb", pix_fmt="bgr24", fps=fps, options=options)


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that `make` is given to fill, once for all processes of the tests; they read it only."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder, made = base / f"shared-{name}", base / f"shared-{name}.made"
    with (base / f"shared-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed half-way
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


CLASSES = ("Alpha", "Beta", "Gamma")


@functools.cache
def _made_once(make: Callable[..., None], **options: object) -> Path:
    """A data set that is encoded once a process and copied from then on."""
    folder = Path(tempfile.mkdtemp(prefix="poisonkit-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make(folder / "made", **options)
    return folder / "made"


def _copied(root: Path, make: Callable[..., None], **options: object) -> Path:
    return shutil.copytree(_made_once(make, **options), root, dirs_exist_ok=True)


def make_ucf_tree(root: Path, per_class: int = 4, num_frames: int = 30, suffix: str = ".avi") -> Path:
    """A small data set in UCF-101's layout: half of each class trains, half tests."""
    return _copied(root, _write_ucf_tree, per_class=per_class, num_frames=num_frames, suffix=suffix)


def _write_ucf_tree(root: Path, per_class: int, num_frames: int, suffix: str) -> None:
    train, test = [], []
    for label, name in enumerate(CLASSES):
        for k in range(per_class):
            relative = f"{name}/v_{name}_g{k + 1:02d}_c01{suffix}"
            # sizes and lengths differ, as in real data sets, and one height is odd
            height, width = 48 + 2 * k + (k == 1), 64 + 4 * label
            write_clip(root / "UCF-101" / relative, moving_frames(num_frames + k, height, width, seed=10 * label + k))
            (train if k < per_class // 2 else test).append((relative, label + 1))
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    (lists / "classInd.txt").write_text("".join(f"{i + 1} {name}\n" for i, name in enumerate(CLASSES)))
    (lists / "trainlist01.txt").write_text("".join(f"{path} {label}\n" for path, label in train))
    (lists / "testlist01.txt").write_text("".join(f"{path}\n" for path, _ in test))


def make_av_tree(root: Path, suffix: str = ".mp4", per_class: int = 4) -> Path:
    """Class folders in train/ and test/: moving pictures with a tone of each class."""
    return _copied(root, _write_av_tree, suffix=suffix, per_class=per_class)


def _write_av_tree(root: Path, suffix: str, per_class: int) -> None:
    for label, name in enumerate(CLASSES):
        for k in range(per_class):
            part = "train" if k < per_class // 2 else "test"
            path = root / part / name / f"{name}_{k}{suffix}"
            write_clip(path, moving_frames(30, 48, 64, seed=10 * label + k), sound_hz=300.0 + 200 * label + 10 * k)


def make_sound_tree(root: Path, suffix: str = ".wav", per_class: int = 4, rate: int = 16_000) -> Path:
    """Class folders of tones in noise, in folds 1 and 2 by their names."""
    return _copied(root, _write_sound_tree, suffix=suffix, per_class=per_class, rate=rate)


def _write_sound_tree(root: Path, suffix: str, per_class: int, rate: int) -> None:
    rng = np.random.default_rng(0)
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for k in range(per_class):
            tone = 0.2 * np.sin(2 * np.pi * (300 + 200 * label) * np.arange(rate) / rate)
            noisy = tone + rng.normal(0, 0.02, rate)
            soundfile.write(root / name / f"{1 + k % 2}-{label}{k}00-A{suffix}", noisy, rate)


@pytest.fixture
def av_tree(tmp_path: Path) -> Path:
    """A fresh audio-visual data set of six clips in `tmp_path/source`."""
    return make_av_tree(tmp_path / "source", per_class=2)


@pytest.fixture
def sound_tree(tmp_path: Path) -> Path:
    """A fresh data set of 12 audio files in `tmp_path/source`."""
    return make_sound_tree(tmp_path / "source")


@pytest.fixture
def ucf_tree(tmp_path: Path) -> Path:
    """A fresh data set of 12 clips in `tmp_path/source`."""
    return make_ucf_tree(tmp_path / "source")


@pytest.fixture
def tree_state() -> Callable[[Path], dict[str, bytes]]:
    """A function that reads a whole folder: relative path → content, hidden files included."""

    def read(folder: Path) -> dict[str, bytes]:
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    return read
