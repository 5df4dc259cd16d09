"""Frames kept on a disk: the same as decoded ones, decoded once, made again when the clip or the file is another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tests.conftest import write_lossless
from tests.trainer.conftest import coded_frames, sample
from trainer import distributed
from trainer import manifest as manifests
from trainer.data import decode as media
from trainer.data import frame_stores, training_set
from trainer.data.frame_stores import DiskStore, FileStore, RamStore
from trainer.data.training_set import Reading
from trainer.errors import ClipError, TrainerError
from trainer.progress import Progress


@pytest.fixture
def files(write_manifest: Callable[..., Path], tmp_path: Path) -> FileStore:
    for name in "abc":
        write_lossless(tmp_path / "data" / f"{name}.mp4", coded_frames(20, shade=ord(name)))
    made = manifests.load(write_manifest([sample(name) for name in "abc"]))
    return FileStore(made, made.split("train"), 32)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the clips that are decoded from now on."""
    names: list[str] = []
    decode = media.decode
    monkeypatch.setattr(media, "decode", lambda path, *more: (names.append(path.name), decode(path, *more))[1])
    return names


PICKED = np.array([7, 3, 3, 19])


def test_a_disk_gives_what_decoding_gives_and_decodes_once(
    files: FileStore, tmp_path: Path, decoded: list[str]
) -> None:
    expected = [files.frames(k, PICKED) for k in range(3)]
    decoded.clear()
    store = DiskStore(files, tmp_path / "cache")
    assert sorted(decoded) == ["a.mp4", "b.mp4", "c.mp4"]
    assert all(np.array_equal(store.frames(k, PICKED), expected[k]) for k in range(3))
    later = DiskStore(files, tmp_path / "cache")
    assert np.array_equal(later.frames(1, PICKED), expected[1])
    assert len(decoded) == 3
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_another_clip_and_a_damaged_file_are_decoded_again(
    files: FileStore, tmp_path: Path, decoded: list[str]
) -> None:
    store = DiskStore(files, tmp_path / "cache")
    decoded.clear()
    write_lossless(tmp_path / "data" / "a.mp4", coded_frames(20, shade=3))
    assert np.array_equal(store.frames(0, PICKED), coded_frames(20, shade=3)[PICKED])
    damaged = next(path for path in (tmp_path / "cache").iterdir() if path == store._file(1))
    damaged.write_bytes(damaged.read_bytes()[:1000])
    assert np.array_equal(store.frames(1, PICKED), coded_frames(20, shade=ord("b"))[PICKED])
    damaged.write_bytes(b"")
    assert np.array_equal(store.frames(1, PICKED), coded_frames(20, shade=ord("b"))[PICKED])
    os.utime(tmp_path / "data" / "c.mp4", ns=(0, 0))  # of the same size, but written at another time
    store.frames(2, PICKED)
    assert decoded == ["a.mp4", "b.mp4", "b.mp4", "c.mp4"]


def test_hard_links_share_frames_and_another_count_is_found(
    files: FileStore, tmp_path: Path, decoded: list[str]
) -> None:
    DiskStore(files, tmp_path / "cache")
    decoded.clear()
    (tmp_path / "data" / "a.mp4").rename(tmp_path / "data" / "moved.mp4")
    os.link(tmp_path / "data" / "moved.mp4", tmp_path / "data" / "a.mp4")
    DiskStore(files, tmp_path / "cache").frames(0, PICKED)
    assert not decoded
    files.samples[1].num_frames = 30  # another manifest's mistake
    with pytest.raises(ClipError, match=r"b.mp4 holds 20 frames, its manifest says 30"):
        DiskStore(files, tmp_path / "cache").frames(1, np.array([25]))


def test_processes_share_the_decoding(files: FileStore, tmp_path: Path, decoded: list[str]) -> None:
    one = DiskStore(files, tmp_path / "cache", rank=0, ranks=2)
    assert sorted(decoded) == ["a.mp4", "c.mp4"]
    DiskStore(files, tmp_path / "cache", rank=1, ranks=2)
    assert sorted(decoded) == ["a.mp4", "b.mp4", "c.mp4"]
    one.frames(1, PICKED)
    assert len(decoded) == 3


def test_a_full_disk_is_a_sentence_before_anything_is_written(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_stores.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(TrainerError, match="name another folder with cache_dir, or take cache='none'"):
        DiskStore(files, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_reading_chooses_store_and_workers(
    files: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trainer import models

    preset = models.preset_of("i3d", "mini")
    monkeypatch.setattr(distributed, "cpus", lambda: 6)

    def read(**how: object) -> tuple[type, int]:
        source = training_set.training(files.manifest, preset, 0, Reading(**how), Progress())  # type: ignore[arg-type]
        return type(source.clips.store), source.workers  # type: ignore[attr-defined]

    assert read() == (RamStore, 0)
    assert read(cache="none", devices=2) == (FileStore, 3)
    assert read(cache="disk", folder=tmp_path / "cache", workers=1) == (DiskStore, 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert read(cache="disk") == (DiskStore, 6)
    assert len(list((tmp_path / "home" / "trainer" / "frames").iterdir())) == 3
    monkeypatch.setattr(frame_stores, "memory", lambda: 1000)
    assert read() == (FileStore, 6)
    assert "--cache disk keeps them on a disk" in capsys.readouterr().err
    assert read(cache="ram") == (RamStore, 0)
