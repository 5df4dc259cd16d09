"""What a user sees: bad input is one plain sentence with exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import poisonkit
from poisonkit import cli
from poisonkit.workers import local
from tests.command_line import Done, in_a_process, in_process
from tests.conftest import REPOSITORY, make_av_tree


@pytest.fixture(autouse=True)
def one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """One worker for what runs in this process: the start of a second takes longer than its work here."""
    monkeypatch.setattr(local, "available_cores", lambda: 1)


def call(*arguments: object, cwd: Path | None = None) -> Done:
    return in_process(cli.main, "poisonkit", *arguments, cwd=cwd)


def refused(result: Done, *words: str) -> None:
    """Exit code 2 and one sentence with these words."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("poisonkit: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[0]


def test_poison_inspect_verify(ucf_tree: Path, tmp_path: Path) -> None:
    done = in_a_process("poisonkit", "poison", ucf_tree, "--attack", "badnet", "--rate", "0.3", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "manifest: manifests/source-badnet.json" in done.stdout
    assert "2 of 6 training clips" in done.stdout
    assert (tmp_path / "source-badnet" / "POISONED.txt").read_text().startswith("This folder is a POISONED copy")
    shown = call("inspect", "manifests/source-badnet.json", cwd=tmp_path)
    assert "badnet (video), static, patch=0.2" in shown.stdout
    as_json = json.loads(call("inspect", "manifests/source-badnet.json", "--json", cwd=tmp_path).stdout)
    assert as_json["rate"]["poisoned"] == 2
    assert as_json["encoding"]["trials"]
    assert as_json["splits"] == {"train": 6, "test": 6, "test_triggered": 6, "test_sham": 4}
    verified = call("verify", "manifests/source-badnet.json", cwd=tmp_path)
    assert (verified.returncode, "all is as the manifest says" in verified.stdout) == (0, True)
    again = call("poison", ucf_tree, "--attack", "badnet", "--rate", "0.3", cwd=tmp_path)
    assert again.returncode == 0
    assert "already complete" in again.stderr
    planned = call("poison", ucf_tree, "--attack", "badnet", "--rate", "0.3", "--dry-run", cwd=tmp_path)
    assert (planned.returncode, "holds this very copy already" in planned.stderr) == (0, True)
    other = call("poison", ucf_tree, "--attack", "badnet", "--rate", "0.5", "--dry-run", cwd=tmp_path)
    assert (other.returncode, "the run itself would be refused" in other.stderr) == (0, True)
    made = json.loads((tmp_path / "manifests" / "source-badnet.json").read_text())
    (tmp_path / "source-badnet" / made["samples"][-1]["path"]).unlink()
    again = in_a_process("poisonkit", "poison", ucf_tree, "--attack", "badnet", "--rate", "0.3", cwd=tmp_path)
    refused(again, "source-badnet lacks 1 of the 22 files")


def test_version_is_told(tmp_path: Path) -> None:
    assert call("--version", cwd=tmp_path).stdout.split() == ["poisonkit", poisonkit.__version__]


def test_the_dynamic_copy_has_a_name_of_its_own(ucf_tree: Path, tmp_path: Path) -> None:
    done = call("poison", ucf_tree, "--attack", "frame-lag", "--mode", "dynamic", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["manifest"] == "manifests/source-frame-lag-dynamic.json"
    assert (tmp_path / "source-frame-lag-dynamic").is_dir()


def test_dry_run_writes_nothing_and_says_how_much(ucf_tree: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    done = call("poison", ucf_tree, "--attack", "badnet", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "train 6, test 6, test_triggered 6, test_sham 4" in done.stdout
    assert "lossless" in done.stdout
    assert sorted(tmp_path.rglob("*")) == before
    made = json.loads(call("poison", ucf_tree, "--attack", "badnet", "--dry-run", "--json", cwd=tmp_path).stdout)
    assert made["estimated_bytes"]["video"]["lossless"] > made["estimated_bytes"]["video"]["high"] > 0


def test_some_classes_alone_in_an_order_of_their_own(ucf_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("Gamma\nAlpha\n")
    some = ["--classes", "two.txt"]
    planned = call("poison", ucf_tree, "--attack", "badnet", "--rate", "0.5", *some, "--dry-run", cwd=tmp_path)
    assert planned.returncode == 0, planned.stderr
    assert "2 chosen classes" in planned.stdout
    assert "Gamma" in planned.stdout, "the target is the first of the chosen classes"
    indexed = call("index", ucf_tree, *some, cwd=tmp_path)
    assert indexed.returncode == 0, indexed.stderr
    made = json.loads((tmp_path / "manifests" / "source.json").read_text())
    assert made["classes"] == ["Gamma", "Alpha"]
    assert {sample["path"].split("/")[1]: sample["label"] for sample in made["samples"]} == {"Gamma": 0, "Alpha": 1}
    (tmp_path / "two.txt").write_text("Gamma\nAlhpa\n")
    refused(call("index", ucf_tree, *some, cwd=tmp_path), "'Alhpa'", "did you mean 'Alpha'")


def test_a_large_listing_is_planned_quickly(tmp_path: Path) -> None:
    root = tmp_path / "ucf101"
    lists = root / "ucfTrainTestlist"
    lists.mkdir(parents=True)
    train, test = [], []
    for label in range(101):
        folder = root / "UCF-101" / f"C{label:03d}"
        folder.mkdir(parents=True)
        for k in range(132):
            name = f"v_C{label:03d}_g{k // 5 + 1:02d}_c{k % 5 + 1:02d}.avi"
            (folder / name).touch()
            (train if k < 94 else test).append(f"C{label:03d}/{name}")
    (lists / "classInd.txt").write_text("".join(f"{i + 1} C{i:03d}\n" for i in range(101)))
    (lists / "trainlist01.txt").write_text("".join(f"{p} {int(p[1:4]) + 1}\n" for p in train))
    (lists / "testlist01.txt").write_text("".join(f"{p}\n" for p in test))
    before = os.times()
    done = in_a_process("poisonkit", "poison", root, "--attack", "badnet", "--dry-run", cwd=tmp_path)
    after = os.times()
    assert done.returncode == 0, done.stderr
    assert "train 9494, test 3838" in done.stdout
    assert "no estimate" in done.stdout
    # the processor's seconds: other work on the machine must not fail a test
    assert after.children_user + after.children_system - before.children_user - before.children_system < 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--attack", "badnot"], ["'badnot'", "did you mean 'badnet'"]),
        (["--attack", "nosuch"], ["'nosuch'", "ultrasonic, video-corruption, wanet"]),
        (["--attack", "badnet", "--set", "badnet.pach=1"], ["'pach'", "did you mean 'patch'"]),
        (["--attack", "badnet", "--set", "badnet.patch=7"], ["patch=7", "0.01 … 1.0"]),
        (["--attack", "badnet", "--set", "badnet.patch=big"], ["patch=big", "number"]),
        (["--attack", "badnet", "--set", "patch=0.1"], ["--set patch=0.1", "badnet.PARAM=VALUE"]),
        (["--attack", "badnet", "--rate", "0"], ["--rate 0", "above 0"]),
        (["--attack", "badnet", "--rate", "1.5"], ["--rate 1.5", "at most 1"]),
        (["--attack", "badnet", "--rate", "1"], ["--rate 1", "only 4"]),
        (["--attack", "badnet", "--target", "Gama"], ["--target Gama", "did you mean 'Gamma'"]),
        (["--attack", "badnet", "--target", "3"], ["--target 3", "0 … 2"]),
        (["--attack", "badnet", "--frames", "40"], ["--frames 40", "1 … 32"]),
        (["--attack", "badnet", "--window", "32"], ["--window 32", "32x2"]),
        (["--attack", "badnet", "--layout", "ucf"], ["'ucf'", "ucf101"]),
        (["--attack", "badnet", "--split", "4"], ["4"]),
        (
            ["--attack", "badnet", "--classes", "kinetics-sound"],
            ["--classes kinetics-sound", "did you mean 'kinetics-sounds'"],
        ),
        (["--attack", "badnet", "--classes", "kinetics-sounds"], ["0 of the 31 classes", "leave --classes out"]),
        (["--attack", "badnet", "--quality", "best"], ["--quality best", "lossless"]),
        (["--attack", "badnet", "--sham", "few"], ["--sham few", "all, none or a number"]),
        (["--attack", "badnet", "--workers", "0"], ["--workers 0", "1 or more"]),
        (["--attack", "badnet", "--attack", "frame-lag"], ["badnet and frame-lag both change the video"]),
    ],
)
def test_bad_input(ucf_tree: Path, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    before = sorted(tmp_path.rglob("*"))
    refused(call("poison", ucf_tree, *arguments, cwd=tmp_path), *words)
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_sources(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "notes.txt").touch()
    (tmp_path / "file").touch()
    refused(call("poison", "none", "--attack", "badnet", cwd=tmp_path), "none")
    refused(call("poison", "empty", "--attack", "badnet", cwd=tmp_path), "empty")
    refused(call("poison", "strange", "--attack", "badnet", cwd=tmp_path), "no known layout", "notes.txt")
    refused(call("poison", "file", "--attack", "badnet", cwd=tmp_path), "file")
    refused(call("index", "none", cwd=tmp_path), "none")


def test_outputs_that_exist_are_not_touched(ucf_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("three years of work")
    refused(call("poison", ucf_tree, "--attack", "badnet", "--out", "mine", cwd=tmp_path), "mine", "another --out")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]
    refused(
        call("poison", ucf_tree, "--attack", "badnet", "--out", ucf_tree / "copy", cwd=tmp_path),
        "lie in one another",
    )
    refused(call("poison", ucf_tree, "--attack", "badnet", "--out", ucf_tree, cwd=tmp_path), "lie in one another")


def test_a_clip_that_does_not_decode_names_itself(ucf_tree: Path, tmp_path: Path) -> None:
    broken = next((ucf_tree / "UCF-101" / "Alpha").iterdir())
    broken.write_bytes(b"not a video")
    refused(call("poison", ucf_tree, "--attack", "badnet", cwd=tmp_path), broken.name, "--skip-broken")
    refused(call("index", ucf_tree, cwd=tmp_path), broken.name, "--skip-broken")
    assert not (tmp_path / "manifests").exists()


def test_broken_manifests(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text("{}")
    for command in ("inspect", "verify"):
        refused(call(command, "m.json", cwd=tmp_path), "m.json")
        refused(call(command, "none.json", cwd=tmp_path), "none.json")


def test_a_wrong_choice_is_told_in_plain_words(tmp_path: Path) -> None:
    done = call("poison", "none", "--attack", "badnet", "--mode", "middle", cwd=tmp_path)
    assert done.returncode == 2
    assert "'middle' is not one of" in done.stderr
    assert "Value error" not in done.stderr


def test_attacks_are_listed_with_their_parameters() -> None:
    listed = call("attacks").stdout
    assert "badnet" in listed
    assert "frame-lag" in listed
    detail = call("attacks", "badnet").stdout
    assert "of the frame's short side" in detail
    assert "Gu et al. 2019" in detail
    assert json.loads(call("attacks", "--json").stdout)["frame-lag"]["params"]["hold"]["default"] == 4
    refused(call("attacks", "lag"), "'frame-lag'")


def test_index_says_what_it_took_a_folder_for(ucf_tree: Path, tmp_path: Path) -> None:
    whole = call("index", ucf_tree, cwd=tmp_path)
    assert f"reading {ucf_tree}: ucf101 (classInd.txt and 1 splits in" in " ".join(whole.stderr.split())
    below = call("index", ucf_tree / "UCF-101", cwd=tmp_path)
    assert f"give {ucf_tree} for the official split beside it" in " ".join(below.stderr.split())


def test_help_says_what_can_be_poisoned() -> None:
    assert "Poison a video or audio data set on disk" in call("--help").stdout


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['poisonkit', '--help']\n"
        "from poisonkit.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'cv2', 'av', 'scipy', 'torch', 'msgspec'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, cwd=REPOSITORY)


def test_poisoning_never_imports_torch(ucf_tree: Path, tmp_path: Path) -> None:
    code = (
        "import sys, poisonkit.run.run, poisonkit.audit.verify, poisonkit.demo, poisonkit.cli.tables\n"
        "assert not {'torch', 'trainer', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY)


def test_preview_export_and_views(ucf_tree: Path, tmp_path: Path) -> None:
    clip = next(ucf_tree.rglob("*.avi"))
    shown = call("preview", clip, "--attack", "sig", "--set", "sig.delta=10", "--out", "look/sig.png", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "look/sig.png: frames 0," in shown.stdout
    assert (tmp_path / "look" / "sig.png").stat().st_size > 1000
    refused(call("preview", clip, "--attack", "none", cwd=tmp_path), "--attack none")
    (tmp_path / "broken.avi").write_bytes(b"RIFF")
    broken = call("preview", "broken.avi", "--attack", "sig", cwd=tmp_path)
    refused(broken, "broken.avi cannot be decoded", "give another clip")
    assert "--skip-broken" not in broken.stderr
    refused(call("preview", clip, "--attack", "sig", "--out", "a.gif", cwd=tmp_path), "a.gif", ".html")
    call("poison", ucf_tree, "--attack", "badnet", "--rate", "0.3", "--window", "8x2", cwd=tmp_path)
    manifest = "manifests/source-badnet.json"
    lists = call("export", manifest, "--to", "pytorchvideo", cwd=tmp_path)
    assert "lists/source-badnet-pytorchvideo/triggered.csv: 4 clips" in lists.stdout
    refused(call("export", manifest, "--to", "coco", cwd=tmp_path), "--to coco", "mmaction2")
    seen = call("inspect", manifest, "--views", "3x3@64", cwd=tmp_path)
    assert "test views 3x3@64" in seen.stdout
    made = json.loads(call("inspect", manifest, "--views", "3x3@64", "--json", cwd=tmp_path).stdout)
    assert {part["split"]: part["tests"]["not_at_all"] for part in made["views"]} == {"train": 0, "test_triggered": 0}
    refused(call("inspect", manifest, "--views", "3x2@64", cwd=tmp_path), "--views 3x2@64 are no views", "10x3@256")


def test_a_limit_of_test_clips(ucf_tree: Path, tmp_path: Path) -> None:
    limited = call("index", ucf_tree, "--test-limit", "3", "--json", cwd=tmp_path)
    assert json.loads(limited.stdout)["splits"] == {"train": 6, "test": 3}
    refused(call("index", ucf_tree, "--test-limit", "0", cwd=tmp_path), "--test-limit 0")


@pytest.mark.parametrize(
    "command",
    ["poison", "index", "attacks", "preview", "inspect", "verify", "scan", "export", "demo-data"],
)
def test_every_command_has_help(command: str) -> None:
    shown = call(command, "--help")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Usage:" in shown.stdout


def test_a_dry_run_refuses_what_the_run_would(ucf_tree: Path, tmp_path: Path) -> None:
    for out in (ucf_tree, ucf_tree / "copy"):
        refused(call("poison", ucf_tree, "--attack", "badnet", "--out", out, "--dry-run", cwd=tmp_path), "lie in one")


def test_none_is_no_trigger(tmp_path: Path) -> None:
    refused(call("attacks", "none", cwd=tmp_path), "none is no trigger")


def test_an_audio_visual_attack_by_the_command_line(tmp_path: Path) -> None:
    av_tree = make_av_tree(tmp_path / "source", per_class=2)
    line = ["poison", av_tree, "--attack", "sig", "--attack", "sine", "--set", "sine.frequency=1500", "--rate", "0.3"]
    estimate = json.loads(call(*line, "--dry-run", "--json", cwd=tmp_path).stdout)
    assert set(estimate["estimated_bytes"]) == {"video", "audio"}
    assert not (tmp_path / "source-sig-sine").exists()
    # what `auto` finds for both is tested where runs are
    done = call(*line, "--quality", "high", "--force", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Written video" in done.stdout
    assert "Written audio" in done.stdout
    assert call("verify", "manifests/source-sig-sine.json", cwd=tmp_path).returncode == 0
    shown = call("inspect", "manifests/source-sig-sine.json", cwd=tmp_path).stdout
    assert "sine (audio), static, snr_db=20.0" in shown


def test_sound_is_previewed_by_the_command_line(sound_tree: Path, tmp_path: Path) -> None:
    clip = next(sound_tree.rglob("*.wav"))
    done = call("preview", clip, "--attack", "sine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "20.0 dB above it" in done.stdout
    assert (tmp_path / f"{clip.stem}-sine.png").is_file()
    refused(call("preview", clip, "--attack", "badnet", cwd=tmp_path), "no video")
