"""Poisoned copies are refused as sources: whole ones, parts of them, and those whose notice is gone."""

from __future__ import annotations

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.files import NOTICE
from poisonkit.layouts import Clip, Listing, _marks, read
from poisonkit.plan.request import Request
from tests.conftest import make_sound_tree, make_ucf_tree, shared
from tests.poisonkit.runs import poison

EVERY = ("test_triggered", "test_sham")


@pytest.fixture
def copy(ucf_tree: Path, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """A finished copy of which half of the training clips are poisoned; the test may spoil it."""

    def make(folder: Path) -> None:
        poison(make_ucf_tree(folder / "source"), folder / "out", Request(("badnet",), rate=0.5), survival=False)

    made = shared(tmp_path_factory, "marked", make)
    for name in ("out", "manifests"):
        shutil.copytree(made / name, tmp_path / name)
    return tmp_path / "out"


def test_a_part_of_a_copy_is_no_source(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(copy / "UCF-101")
    for folder in (copy / "UCF-101", copy / "test_triggered" / "UCF-101", tmp_path / "link"):
        with pytest.raises(PoisonkitError, match=r"lies in .*out, which is a poisoned copy .*through its manifest"):
            read(folder)


def test_a_part_of_an_unfinished_copy_is_no_source(ucf_tree: Path) -> None:
    (ucf_tree / ".poisonkit").mkdir()
    with pytest.raises(PoisonkitError, match=r"lies in .*source, which is a poisoned copy"):
        read(ucf_tree / "UCF-101")


@pytest.mark.parametrize("gone", [(), *((name,) for name in EVERY), EVERY], ids=lambda gone: "+".join(gone) or "none")
def test_a_copy_without_its_notice_is_no_source(copy: Path, gone: tuple[str, ...]) -> None:
    (copy / NOTICE).unlink()
    for name in gone:
        shutil.rmtree(copy / name)
    for folder in [copy / "UCF-101"] if gone == EVERY else [copy, copy / "UCF-101"]:  # alone it is no data set's folder
        with pytest.raises(PoisonkitError, match=r"is from a poisoned copy .*`poisonkit scan`"):
            read(folder)


def test_one_poisoned_clip_of_very_many_is_told_by_the_triggered_ones(tmp_path: Path) -> None:
    source = make_sound_tree(tmp_path / "source", per_class=60, rate=8000)
    poison(source, tmp_path / "out", Request(("sine",), rate=0.012), survival=False)
    (tmp_path / "out" / NOTICE).unlink()
    with pytest.raises(PoisonkitError, match=r"test_triggered/.*is from a poisoned copy"):
        read(tmp_path / "out")


def test_clean_data_broken_files_and_neighbours_are_read(copy: Path, ucf_tree: Path) -> None:
    clip = next((ucf_tree / "UCF-101").rglob("*.avi"))
    clip.write_bytes(b"RIFF")
    shutil.copytree(copy / "test_triggered", ucf_tree.parent / "test_triggered")
    (ucf_tree / "test_sham" / "notes").mkdir(parents=True)
    (ucf_tree / "test_sham" / "notes" / "a.avi").write_bytes(b"no video")
    assert len(read(ucf_tree).clips) == 12


def test_few_files_are_opened_and_evenly(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clips = tuple(Clip(f"{k:05}", f"{k:05}.avi", "train" if k < 9537 else "test", 0, 1) for k in range(13_320))
    opened: list[int] = []
    monkeypatch.setattr(_marks, "tag_of", lambda path: opened.append(int(path.stem)))
    _marks.refuse_tagged(Listing("folder", "1", tmp_path, ("a", "b"), clips))
    assert len(opened) == _marks.LOOKED_AT == 16
    steps = [b - a for a, b in pairwise(opened)]
    assert 595 <= min(steps) <= max(steps) <= 597
    assert opened[0] == 298
    assert opened[-1] == 9537 - 299
    assert [c.id for c in _marks.spread(clips[:3], 16)] == ["00000", "00001", "00002"]
