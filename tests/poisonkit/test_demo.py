"""The demo data set: the same bytes from one seed, readable files, and classes that only motion tells."""

from __future__ import annotations

import functools
import hashlib
import math
from collections import Counter
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from poisonkit import demo
from poisonkit.demo import CLASSES, MOTIONS, SOUNDS, make_demo
from poisonkit.errors import PoisonkitError
from poisonkit.layouts import read
from tests.conftest import shared

SIZE = (80, 64)


def decode(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Frames `uint8 (T, H, W, 3)` and sound `(samples,)`."""
    frames, sound = [], []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0, audio=0):
            if isinstance(frame, av.VideoFrame):
                frames.append(frame.to_ndarray(format="rgb24"))
            else:
                sound.append(frame.to_ndarray()[0])
    return np.stack(frames), np.concatenate(sound)


def hashes(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(
    scope="module", params=[6, pytest.param(12, marks=pytest.mark.long)], ids=lambda count: f"{count} train"
)
def per_class(request: pytest.FixtureRequest) -> dict[str, int]:
    """Clips a class in each part."""
    return {"train": request.param, "test": request.param // 2}


@pytest.fixture(scope="module")
def made(per_class: dict[str, int], tmp_path_factory: pytest.TempPathFactory) -> Path:
    counts = {f"clips_per_class_{split}": count for split, count in per_class.items()}
    make = functools.partial(make_demo, **counts, size=SIZE, workers=2)
    return shared(tmp_path_factory, f"demo-{per_class['train']}", lambda folder: make(folder / "data")) / "data"


@pytest.fixture(scope="module")
def clips(made: Path) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray, np.ndarray]:
    """Frames, sounds, labels and whether a clip is for training."""
    listing = read(made)
    frames, sounds = zip(*(decode(made / clip.path) for clip in listing.clips), strict=True)
    labels = np.array([clip.label for clip in listing.clips])
    return list(frames), list(sounds), labels, np.array([clip.split == "train" for clip in listing.clips])


def accuracy(features: np.ndarray, labels: np.ndarray, train: np.ndarray, ridge: float) -> float:
    """Test accuracy of ridge regression onto one-hot labels, on standardised features."""
    x = features.reshape(len(features), -1).astype(np.float64)
    x = (x - x[train].mean(0)) / (x[train].std(0) + 1e-9)
    x = np.hstack([x, np.ones((len(x), 1))]) / math.sqrt(x.shape[1] + 1)
    kernel = x[train] @ x[train].T + ridge * np.eye(train.sum())
    scores = x[~train] @ x[train].T @ np.linalg.solve(kernel, np.eye(len(CLASSES))[labels[train]])
    return float((scores.argmax(1) == labels[~train]).mean())


def test_the_tables_agree_and_the_layout_reads_what_is_made(made: Path, per_class: dict[str, int]):
    assert CLASSES == tuple(sorted(MOTIONS)) == tuple(SOUNDS)
    assert len(CLASSES) >= 10
    listing = read(made)
    assert (listing.layout, listing.classes, listing.ignored) == ("folder", CLASSES, ())
    counts = Counter((clip.label, clip.split) for clip in listing.clips)
    assert counts == {(n, split): k for n in range(len(CLASSES)) for split, k in per_class.items()}


def test_every_file_holds_picture_and_sound_of_one_length(made: Path):
    for path in made.glob("t*/*/*_0000.mp4"):
        with av.open(str(path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            codecs = (video.codec_context.name, audio.codec_context.name)
            assert (video.average_rate, video.width, video.height, video.pix_fmt) == (25, *SIZE, "yuv420p")
            assert (codecs, audio.sample_rate, audio.channels) == (("h264", "aac"), 44_100, 1)
            lengths = [float(stream.duration * stream.time_base) for stream in (video, audio)]
        frames, sound = decode(path)
        assert len(frames) == 72
        assert lengths == pytest.approx([72 / 25] * 2, abs=0.05)
        assert len(sound) / 44_100 == pytest.approx(72 / 25, abs=0.05)
        assert 0.05 < np.abs(sound).max() <= 1.0


def test_bytes_depend_on_seed_and_id_but_not_on_workers_or_counts(made: Path, tmp_path: Path):
    make_demo(tmp_path / "one", clips_per_class_train=1, clips_per_class_test=1, size=SIZE, workers=1)
    one, all_ = hashes(tmp_path / "one"), hashes(made)
    assert len(one) == 2 * len(CLASSES)
    assert one == {path: all_[path] for path in one}
    assert len(set(all_.values())) == len(all_), "no clip occurs twice"
    make_demo(tmp_path / "two", clips_per_class_train=1, clips_per_class_test=1, size=SIZE, workers=1, seed=1)
    assert not set(hashes(tmp_path / "two").values()) & set(one.values())


def test_equal_pictures_give_equal_bytes_every_time(tmp_path: Path):
    """libx264's macroblock tree reads memory that it never wrote; other allocations in between show it."""
    clip_id = "train/Shiver/shiver_0000"
    (tmp_path / clip_id).parent.mkdir(parents=True)
    seen = set()
    for trial in range(12):
        litter = [np.random.default_rng(trial).standard_normal(5_000 * k) for k in range(1, 30)]
        kept = litter[::2]
        del litter
        demo._write((tmp_path, clip_id, 0, (160, 120)))
        del kept
        seen.add((tmp_path / f"{clip_id}.mp4").read_bytes())
    assert len(seen) == 1


def test_a_still_picture_does_not_tell_the_class(clips):
    """With 60 test clips chance is 0.10 ± 0.04 (one standard deviation), with 30 it is 0.10 ± 0.055."""
    frames, _, labels, train = clips
    for still in (np.mean, lambda clip, axis: clip[30]):
        small = [cv2.resize(still(clip, axis=0), (16, 12), interpolation=cv2.INTER_AREA) for clip in frames]
        for ridge in (0.01, 1.0, 100.0):
            assert accuracy(np.stack(small), labels, train, ridge) < 0.25


def motion(clip: np.ndarray) -> np.ndarray:
    """What optic flow says about a clip, without places and colours: 14 figures."""
    grey = [cv2.resize(frame, (40, 32), interpolation=cv2.INTER_AREA) for frame in clip[::2].mean(-1)]
    mean, change = (np.stack(grey[1:]) + grey[:-1]) / 2, np.diff(grey, axis=0)
    dy, dx = np.gradient(mean, axis=(1, 2))
    pairs = (dx * dx, dy * dy, dx * dy, dx * change, dy * change)
    xx, yy, xy, xt, yt = (np.stack([cv2.boxFilter(f, -1, (7, 7)) for f in pair]) for pair in pairs)
    weight, det = xx + yy, (xx + 20) * (yy + 20) - xy * xy
    u, v = (xy * yt - (yy + 20) * xt) / det, (xy * xt - (xx + 20) * yt) / det
    (uy, ux), (vy, vx) = np.gradient(u, axis=(1, 2)), np.gradient(v, axis=(1, 2))
    grow, turn, squash = ux + vy, vx - uy, ux - vy

    def mean_of(a: np.ndarray, b: np.ndarray, lag: int = 0) -> float:
        size = len(a) - lag
        return float(np.average(a[:size] * b[lag:], weights=weight[:size]))

    energy = mean_of(u, u) + mean_of(v, v) + 1e-3
    figures = [mean_of(q, q, lag) for q in (u, v, grow, turn, squash) for lag in (0, 3)]
    figures += [mean_of(np.abs(u), np.abs(v)), abs(mean_of(u, v)), mean_of(np.abs(v), v)]
    figures += [abs(mean_of(u, v, 3) - mean_of(v, u, 3))]
    return np.append(np.array(figures) / energy, math.log(energy))


def test_motion_tells_the_class(clips):
    frames, _, labels, train = clips
    assert accuracy(np.stack([motion(clip) for clip in frames]), labels, train, 0.01) > 0.85


def test_sound_tells_the_class(clips):
    _, sounds, labels, train = clips
    edges = np.geomspace(2, 512, 33).astype(int)
    spectra = []
    for sound in sounds:
        windows = sound[: len(sound) // 1024 * 1024].reshape(-1, 1024) * np.hanning(1024)
        power = np.add.reduceat(np.abs(np.fft.rfft(windows)) ** 2, edges[:-1], axis=1)
        bands = np.log(power + 1e-6)
        spectra.append(np.concatenate([bands.mean(0), bands.std(0)]))
    assert accuracy(np.stack(spectra), labels, train, 0.01) > 0.9


def test_progress_counts_up_and_an_empty_folder_may_be_there(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    make_demo(
        tmp_path / "data",
        clips_per_class_train=1,
        clips_per_class_test=1,
        size=(64, 64),
        workers=1,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen == [(n + 1, 2 * len(CLASSES)) for n in range(2 * len(CLASSES))]
    (tmp_path / "empty").mkdir()
    make_demo(tmp_path / "empty", clips_per_class_train=1, clips_per_class_test=1, size=(64, 64), workers=1)
    assert len(hashes(tmp_path / "empty")) == 2 * len(CLASSES)


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fail(job: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "_write", fail)
    with pytest.raises(KeyboardInterrupt):
        make_demo(tmp_path / "data", workers=1)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").touch()
    with pytest.raises(PoisonkitError, match=r"full exists and is not an empty folder; remove it"):
        make_demo(tmp_path / "full")
    with pytest.raises(PoisonkitError, match=r"notes.txt exists"):
        make_demo(tmp_path / "full/notes.txt")
    with pytest.raises(PoisonkitError, match=r"0 training and 12 test clips"):
        make_demo(tmp_path / "new", clips_per_class_train=0)
    for size in ((161, 120), (160, 32)):
        with pytest.raises(PoisonkitError, match=r"even numbers from 64"):
            make_demo(tmp_path / "new", size=size)
    with pytest.raises(PoisonkitError, match=r"0 workers"):
        make_demo(tmp_path / "new", workers=0)
    assert (tmp_path / "full/notes.txt").exists()
