"""Whole runs on small real files: carrying, rewriting, continuing, the same bytes whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from poisonkit import layouts
from poisonkit.audit.verify import verify
from poisonkit.cli import facts
from poisonkit.errors import PoisonkitError
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.media import container
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request
from poisonkit.run import run
from poisonkit.run.settings import Settings
from poisonkit.triggers import TRIGGERS
from tests.conftest import make_ucf_tree
from tests.poisonkit.runs import Silent, TreeState, command, pixels, poison


def test_a_poisoned_copy_end_to_end(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    before = tree_state(ucf_tree)
    made = poison(ucf_tree, tmp_path / "out", quality="auto", force=False)
    assert tree_state(ucf_tree) == before
    assert made.splits == {"train": 6, "test": 6, "test_triggered": 6, "test_sham": 4}
    assert sum(s.poisoned for s in made.samples if s.split == "train") == 2
    assert verify(tmp_path / "manifests" / "out.json").problems == []
    assert not (tmp_path / "out" / ".poisonkit").exists()
    for sample in made.samples:
        written = tmp_path / "out" / sample.path
        source = ucf_tree / sample.path.removeprefix("test_triggered/").removeprefix("test_sham/")
        if sample.sha256 is None:
            assert written.stat().st_ino == source.stat().st_ino, "an untouched file takes no space of its own"
        else:
            assert len(pixels(written)) == len(pixels(source)) == sample.num_frames
        if sample.survival:
            assert sample.survival["video"].gain is not None
            assert sample.survival["video"].gain >= 0.9


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("attack", sorted(n for n, kind in TRIGGERS.items() if kind.modality == "video"))
def test_only_placed_frames_change_in_a_lossless_file(tmp_path: Path, attack: str, mode: str) -> None:
    ucf_tree = make_ucf_tree(tmp_path / "source", per_class=2)
    request = Request((attack,), rate=0.3, mode=mode, frames="5", window="8x2")  # type: ignore[arg-type]
    made = poison(ucf_tree, tmp_path / "out", request, quality="lossless")
    changed_somewhere = False
    for sample in made.samples:
        if sample.split == "test_triggered":
            source = pixels(ucf_tree / sample.path.removeprefix("test_triggered/"))
            written = pixels(tmp_path / "out" / sample.path)
            placed = from_runs(sample.frames, sample.num_frames)
            assert np.array_equal(written[~placed], source[~placed])
            changed = (written != source).any(axis=(1, 2, 3))
            changed_somewhere |= bool(changed.any())
            if attack == "badnet":
                assert np.array_equal(changed, placed)
                x0, y0, x1, y1 = sample.trigger["box"]
                outside = np.ones(source.shape[1:3], dtype=bool)
                outside[y0:y1, x0:x1] = False
                assert np.array_equal(written[:, outside], source[:, outside])
    assert changed_somewhere


def test_lossless_sham_clips_are_the_source_exactly(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(ucf_tree, tmp_path / "out", quality="lossless")
    shams = [s for s in made.samples if s.split == "test_sham"]
    assert shams
    for sample in shams:
        assert (sample.linf, sample.psnr_db, sample.ssim) == (0, None, 1.0)


def test_workers_do_not_change_a_byte(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    for workers in (1, 2):
        poison(
            ucf_tree,
            tmp_path / str(workers) / "out",
            Request(("badnet",), rate=0.3, mode="dynamic"),
            workers=workers,
        )
    one, two = tree_state(tmp_path / "1"), tree_state(tmp_path / "2")
    assert one == two
    assert len(one) > 20


def test_killed_and_continued_ends_with_the_same_bytes(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    poison(ucf_tree, tmp_path / "calm" / "out")
    out = tmp_path / "killed" / "out"
    process = subprocess.Popen(command(ucf_tree, out, "--workers", "2"), stderr=subprocess.DEVNULL)
    journal = out / ".poisonkit" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > 4):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run was over before it could be killed"
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed" / "manifests").exists(), "no manifest claims what is not there"
    done = subprocess.run(command(ucf_tree, out, "--workers", "2"), capture_output=True, text=True, check=True)
    assert "continuing" in done.stderr
    assert tree_state(tmp_path / "killed") == tree_state(tmp_path / "calm")


def test_ctrl_c_is_a_plain_message_and_continues(ucf_tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(ucf_tree, out, "--workers", "2"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # a shell that runs the tests in the background leaves SIGINT ignored, which children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    journal = out / ".poisonkit" / "journal.jsonl"
    # the file is there a moment before its first clip
    while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "the same command continues" in errors
    assert "Traceback" not in errors
    subprocess.run(command(ucf_tree, out), capture_output=True, check=True)
    assert verify(tmp_path / "manifests" / "out.json").problems == []


def test_a_broken_clip_stops_the_run_and_skip_broken_goes_on(ucf_tree: Path, tmp_path: Path) -> None:
    broken = sorted((ucf_tree / "UCF-101" / "Beta").iterdir())[-1]
    broken.write_bytes(broken.read_bytes()[:60])
    with pytest.raises(PoisonkitError, match="cannot be decoded") as caught:
        poison(ucf_tree, tmp_path / "out")
    assert broken.name in str(caught.value)
    assert not (tmp_path / "manifests").exists()
    made = poison(ucf_tree, tmp_path / "out", skip_broken=True)
    assert {skip.id for skip in made.skipped} == {
        f"{p}Beta/v_Beta_g04_c01" for p in ("", "test_triggered/", "test_sham/")
    }
    assert made.splits["test"] == 5
    assert verify(tmp_path / "manifests" / "out.json").problems == []
    assert "v_Beta_g04" in dict(facts.of_manifest(made))["skipped"]


def test_a_skipped_clip_lowers_the_achieved_rate(ucf_tree: Path, tmp_path: Path) -> None:
    request = Request(("badnet",), rate=0.3)
    plan = planning.poison(layouts.read(ucf_tree), request)
    victim = next(job for job in plan.jobs if job.split == "train" and job.poisoned)
    (ucf_tree / victim.path).write_bytes(b"")
    made = poison(ucf_tree, tmp_path / "out", request, skip_broken=True)
    assert made.rate is not None
    assert (made.rate.asked, made.rate.poisoned, made.rate.total, made.rate.achieved) == (0.3, 1, 5, 0.2)


def test_copies_share_nothing(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(ucf_tree, tmp_path / "out", carry="copy")
    assert made.encoding.carry == "copy"
    for sample in made.samples:
        if sample.sha256 is None:
            assert (tmp_path / "out" / sample.path).stat().st_nlink == 1


def test_index_describes_the_source_in_place(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    before = tree_state(ucf_tree)
    options = Settings(out=ucf_tree, manifest=tmp_path / "manifests" / "clean.json", workers=0)
    made = run.index(planning.index(layouts.read(ucf_tree), 0), options, Silent()).manifest
    assert tree_state(ucf_tree) == before
    assert made.splits == {"train": 6, "test": 6}
    assert (made.rate, made.target, made.attacks, made.root) == (None, None, [], "../source")
    assert verify(tmp_path / "manifests" / "clean.json").problems == []


def test_attack_none_writes_a_control(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(ucf_tree, tmp_path / "out", Request(rate=0.3))
    assert made.attacks == []
    assert made.splits == {"train": 6, "test": 6, "test_triggered": 6}
    poisoned = [s for s in made.samples if s.poisoned and s.split == "train"]
    assert len(poisoned) == 2
    assert all(s.label == 0 and s.sha256 and not s.frames and not s.survival for s in poisoned)


def test_manifests_of_a_moved_data_set_still_hold(ucf_tree: Path, tmp_path: Path) -> None:
    poison(ucf_tree, tmp_path / "here" / "out")
    (tmp_path / "here").rename(tmp_path / "there")
    assert verify(tmp_path / "there" / "manifests" / "out.json").problems == []


def test_the_manifest_records_what_was_asked(ucf_tree: Path, tmp_path: Path) -> None:
    request = Request(
        ("frame-lag",),
        rate=0.3,
        mode="dynamic",
        settings={"frame-lag": {"hold": "3"}},
        frames="6",
        window="8x2",
        target="Gamma",
        seed=4,
    )
    poison(ucf_tree, tmp_path / "out", request)
    made = json.loads((tmp_path / "manifests" / "out.json").read_text())
    assert made["attacks"] == [
        {
            "name": "frame-lag",
            "modality": "video",
            "mode": "dynamic",
            "params": {"hold": 3},
            "placement": {"frames": "6", "window": "8x2"},
        }
    ]
    assert made["target"] == {"label": 2, "name": "Gamma"}
    assert (made["seed"], made["sampling"]) == (4, "8x2")


def test_a_file_that_lost_a_frame_is_not_delivered(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from poisonkit.media.writer import Writer

    real = Writer.write

    def forgetful(self: Writer, picture: object) -> None:
        if self._written != 7:
            real(self, picture)  # type: ignore[arg-type]
        else:
            self._written += 1

    monkeypatch.setattr(Writer, "write", forgetful)
    with pytest.raises(PoisonkitError, match=r"the written file holds (29|30|31|32) frames where"):
        poison(ucf_tree, tmp_path / "out")
    assert not list(tmp_path.rglob("*.avi.*"))
    assert not (tmp_path / "manifests").exists()


@pytest.mark.parametrize("attack", ["badnet", "frame-lag", "video-corruption"])
def test_neither_measuring_nor_holding_frames_changes_a_byte(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str
) -> None:
    made = poison(ucf_tree, tmp_path / "a", Request((attack,)))
    lean = poison(ucf_tree, tmp_path / "b", Request((attack,)), survival=False)
    monkeypatch.setattr(container, "HELD_BYTES", 10_000)  # less than a clip, more than a frame
    twice = poison(ucf_tree, tmp_path / "c", Request((attack,)))
    assert [s.sha256 for s in made.samples] == [s.sha256 for s in lean.samples] == [s.sha256 for s in twice.samples]
    assert any(s.survival and s.psnr_db for s in made.samples)
    assert not any(s.survival or s.view_survival or s.psnr_db for s in lean.samples)
    assert made.samples == twice.samples


def test_the_trial_measures_even_where_the_run_does_not(ucf_tree: Path, tmp_path: Path) -> None:
    settings = {"quality": "auto", "force": False}
    made = poison(ucf_tree, tmp_path / "a", **settings)
    lean = poison(ucf_tree, tmp_path / "b", **settings, survival=False)
    assert made.encoding.trials == lean.encoding.trials
    assert [s.sha256 for s in made.samples] == [s.sha256 for s in lean.samples]
    with pytest.raises(PoisonkitError, match="force=True"):
        poison(ucf_tree, tmp_path / "c", Request(("ftrojan",)), quality="high", force=False, survival=False)


def test_a_class_called_like_a_split_of_the_copy_is_refused(tmp_path: Path) -> None:
    for name in ("test_triggered/Alpha", "Alpha", "Beta"):
        for k in range(4):
            path = tmp_path / "source" / name / f"clip{k}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"0")
    listing = layouts.read(tmp_path / "source")
    with pytest.raises(PoisonkitError, match=r"files of the copy would be test_triggered/Alpha/.*; rename"):
        planning.poison(listing, Request(("badnet",), target="Beta", sham="none", seed=1))
