"""What an unfinished run leaves, and who may go on with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit.audit.verify import verify
from poisonkit.errors import PoisonkitError
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.run import run
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.runs import TreeState, interrupted, poison


def test_a_torn_journal_line_is_done_again(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(ucf_tree, tmp_path / "calm" / "out")
    interrupted(ucf_tree, tmp_path / "torn" / "out", monkeypatch)
    journal = tmp_path / "torn" / "out" / ".poisonkit" / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    poison(ucf_tree, tmp_path / "torn" / "out")
    assert tree_state(tmp_path / "torn") == tree_state(tmp_path / "calm")


def test_two_runs_at_once_are_refused(ucf_tree: Path, tmp_path: Path) -> None:
    from poisonkit.run.journal import State

    state = State(tmp_path / "out")
    state.acquire()
    with pytest.raises(PoisonkitError, match="another run is writing"):
        poison(ucf_tree, tmp_path / "out")
    state.close()


def test_a_source_that_changed_in_between_is_done_again(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(ucf_tree, tmp_path / "out", monkeypatch)
    victim = next((ucf_tree / "UCF-101" / "Gamma").glob("*g03*"))
    other = moving_frames(21, 48, 72, seed=99)
    victim.unlink()  # the copy holds a hard link to the old content, which must not count
    write_clip(victim, other)
    made = poison(ucf_tree, tmp_path / "out")
    counts = {s.id: s.num_frames for s in made.samples if s.id.endswith(victim.stem)}
    assert len(counts) >= 2
    assert set(counts.values()) == {21}
    assert verify(tmp_path / "manifests" / "out.json").problems == []
    fresh = poison(ucf_tree, tmp_path / "fresh")
    assert {s.id: s.survival for s in made.samples} == {s.id: s.survival for s in fresh.samples}


@pytest.mark.parametrize("lost", ["test_triggered", "test_sham"])
def test_one_file_of_a_pair_is_made_again_alone(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    interrupted(ucf_tree, tmp_path / "out", monkeypatch)
    victim = next((tmp_path / "out" / lost).rglob("*.avi"))
    before = victim.read_bytes()
    victim.unlink()
    made = poison(ucf_tree, tmp_path / "out")
    assert victim.read_bytes() == before
    fresh = poison(ucf_tree, tmp_path / "fresh")
    assert made.samples == fresh.samples


def test_a_refused_run_leaves_an_unfinished_one_alone(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*_: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(run, "_write_all", stopping)
        with pytest.raises(KeyboardInterrupt):
            poison(ucf_tree, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == [], "an empty folder that was given is empty again"
    state = run.State(tmp_path / "out")
    state.acquire()
    state.choose(run.Chosen("another", CopyOptions(quality="high"), {"video": "high"}, [], {}))
    state.close()
    with pytest.raises(PoisonkitError, match="unfinished run with other settings"):
        poison(ucf_tree, tmp_path / "out")
    assert (tmp_path / "out" / ".poisonkit" / "chosen.json").is_file()


@pytest.mark.parametrize("left", ['{"fingerprint": "0", "quality": "high", "carry": "link"}', "", "torn {"])
def test_a_run_that_another_version_began_is_refused_and_left_alone(ucf_tree: Path, tmp_path: Path, left: str) -> None:
    state = tmp_path / "out" / ".poisonkit"
    state.mkdir(parents=True)
    (state / "chosen.json").write_text(left)
    with pytest.raises(PoisonkitError, match=r"out holds an unfinished run of another version of poisonkit; finish it"):
        poison(ucf_tree, tmp_path / "out")
    assert (state / "chosen.json").read_text() == left
