"""Verification finds every kind of fault, each by itself."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poisonkit.audit.verify import verify
from poisonkit.errors import ManifestError
from poisonkit.plan.request import Request
from tests.conftest import make_ucf_tree, shared
from tests.poisonkit.runs import poison


@pytest.fixture
def copy(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Path:
    """The manifest of a copy that the test may spoil."""

    def make(folder: Path) -> None:
        asked = Request(("badnet",), rate=0.3)
        poison(make_ucf_tree(folder / "source"), folder / "out", asked, carry="copy", quality="high", force=True)

    shutil.copytree(shared(tmp_path_factory, "verified", make), tmp_path, dirs_exist_ok=True)
    return tmp_path / "manifests" / "out.json"


def triggered(manifest: Path) -> Path:
    return next((manifest.parent.parent / "out" / "test_triggered").rglob("*.avi"))


def edit(manifest: Path, change: Callable[[dict[str, Any]], None]) -> None:
    made = json.loads(manifest.read_text())
    change(made)
    manifest.write_text(json.dumps(made))


def test_a_whole_copy_has_no_problem(copy: Path) -> None:
    assert verify(copy).problems == []


def test_one_flipped_bit(copy: Path) -> None:
    path = triggered(copy)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    assert any("SHA-256" in problem for problem in verify(copy).problems)


def test_a_missing_file(copy: Path) -> None:
    triggered(copy).unlink()
    assert [p for p in verify(copy).problems if "is missing" in p]


def test_an_extra_file(copy: Path) -> None:
    (copy.parent.parent / "out" / "stray.avi").touch()
    assert verify(copy).problems == ["stray.avi: not in the manifest"]


def test_a_link_out_of_the_folder(copy: Path, tmp_path: Path) -> None:
    path = triggered(copy)
    path.rename(tmp_path / "elsewhere.avi")
    path.symlink_to(tmp_path / "elsewhere.avi")
    assert any("leaves the folder" in problem for problem in verify(copy).problems)


def test_a_carried_clip_that_lost_frames(copy: Path) -> None:
    def change(made: dict[str, Any]) -> None:
        sample = next(s for s in made["samples"] if "sha256" not in s)
        sample["num_frames"] += 1

    edit(copy, change)
    assert any("the manifest says" in problem for problem in verify(copy).problems)


def test_labels_that_contradict_the_target(copy: Path) -> None:
    def change(made: dict[str, Any]) -> None:
        next(s for s in made["samples"] if s["poisoned"] and s["split"] == "train")["label"] = 1
        next(s for s in made["samples"] if not s["poisoned"] and s["true_label"] == 2)["label"] = 0

    edit(copy, change)
    problems = verify(copy).problems
    assert any("is not the target" in p for p in problems)
    assert any("is not its true one" in p for p in problems)


def test_a_rate_that_was_not_kept(copy: Path) -> None:
    edit(copy, lambda made: made["rate"].update(poisoned=3))
    assert any("the rate says 3" in p for p in verify(copy).problems)


def test_an_unfinished_run(copy: Path) -> None:
    (copy.parent.parent / "out" / ".poisonkit").mkdir()
    assert any("was not finished" in p for p in verify(copy).problems)


def test_a_key_that_occurs_twice_is_refused(copy: Path) -> None:
    copy.write_text(copy.read_text().replace('"seed": 0,', '"seed": 1,\n  "seed": 0,', 1))
    with pytest.raises(ManifestError, match="the key 'seed' twice"):
        verify(copy)
