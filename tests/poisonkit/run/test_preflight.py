"""What is looked at before a run begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.audit.verify import verify
from poisonkit.errors import PoisonkitError
from poisonkit.plan import plan as planning
from poisonkit.run import run
from poisonkit.run.settings import Settings
from tests.poisonkit.runs import Silent, TreeState, poison


def test_a_finished_run_is_not_repeated(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    poison(ucf_tree, tmp_path / "out")
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")}
    poison(ucf_tree, tmp_path / "out")
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out").rglob("*")} == times


def test_too_little_disk_is_refused_before_anything_is_written(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})())
    with pytest.raises(PoisonkitError, match="make room"):
        poison(ucf_tree, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_manifest_of_other_files_is_never_overwritten(ucf_tree: Path, tmp_path: Path) -> None:
    poison(ucf_tree, tmp_path / "out", manifest=tmp_path / "m.json")
    before = (tmp_path / "m.json").read_bytes()
    with pytest.raises(PoisonkitError, match="is the manifest of"):
        poison(ucf_tree, tmp_path / "other", manifest=tmp_path / "m.json")
    plan = planning.index(layouts.read(ucf_tree), 0)
    with pytest.raises(PoisonkitError, match="is the manifest of"):
        run.index(plan, Settings(ucf_tree, tmp_path / "m.json"), Silent())
    assert (tmp_path / "m.json").read_bytes() == before
    assert not (tmp_path / "other").exists()
    (tmp_path / "mine.json").write_text("a note")
    with pytest.raises(PoisonkitError, match="is no manifest"):
        poison(ucf_tree, tmp_path / "other", manifest=tmp_path / "mine.json")


def test_a_manifest_may_lie_in_its_copy(ucf_tree: Path, tmp_path: Path) -> None:
    poison(ucf_tree, tmp_path / "out", manifest=tmp_path / "out" / "m.json")
    assert verify(tmp_path / "out" / "m.json").problems == []


def test_a_poisoned_copy_is_no_source(ucf_tree: Path, tmp_path: Path) -> None:
    poison(ucf_tree, tmp_path / "out")
    with pytest.raises(PoisonkitError, match="is a poisoned copy"):
        layouts.read(tmp_path / "out")
