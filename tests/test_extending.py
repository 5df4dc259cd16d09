"""The examples of docs/extending.md, put where their first lines say, in a copy of the packages."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, moving_frames, write_lossless

EXAMPLES = dict(
    re.findall(r"```python\n# (\S+\.py)\n(.*?)```", (REPOSITORY / "docs" / "extending.md").read_text(), re.DOTALL)
)


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both packages, the tests, and the page's examples in their places."""
    folder = tmp_path_factory.mktemp("extended")
    for package in ("poisonkit", "trainer", "tests"):
        shutil.copytree(REPOSITORY / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path, code in EXAMPLES.items():
        assert not (folder / path).exists()
        (folder / path).write_text(code)
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_has_them() -> None:
    assert set(EXAMPLES) >= {
        "poisonkit/triggers/flash.py",
        "poisonkit/layouts/flat.py",
        "trainer/models/mean_picture.py",
        "trainer/defenses/distance.py",
        "trainer/defenses/faded.py",
        "tests/trainer/defenses/test_faded.py",
    }


def test_the_trigger_is_listed_and_keeps_the_contract(extended: Path) -> None:
    described = json.loads(run(extended, "poisonkit", "attacks", "flash", "--json"))["flash"]["params"]["level"]
    assert (described["default"], described["unit"], described["tuned"]) == (24.0, "grey levels", True)
    run(extended, "pytest", "-q", "tests/poisonkit/triggers/test_contract.py", "-k", "flash")


def test_the_trigger_is_its_formula(extended: Path, tmp_path: Path) -> None:
    clip = write_lossless(tmp_path / "clip.avi", moving_frames(6, 48, 64))
    sheet = tmp_path / "sheet.png"
    told = run(
        extended, "poisonkit", "preview", str(clip), "--attack", "flash", "--set", "flash.level=10", "--out", str(sheet)
    )
    assert "strength 10.0 grey levels" in told


def test_the_layout_is_recognised(extended: Path, tmp_path: Path) -> None:
    for name in ("bob--1", "bob--2", "spin--1", "spin--2", "stray"):
        write_lossless(tmp_path / "mine" / "clips" / f"{name}.mp4", moving_frames(3))
    (tmp_path / "mine" / "test.txt").write_text("bob--2.mp4\nspin--2.mp4\n")
    made = tmp_path / "mine.json"
    run(extended, "poisonkit", "index", str(tmp_path / "mine"), "--manifest", str(made))
    manifest = json.loads(made.read_text())
    assert (manifest["source"]["layout"], manifest["classes"]) == ("flat", ["bob", "spin"])
    assert {s["path"]: (s["split"], s["label"]) for s in manifest["samples"]} == {
        "clips/bob--1.mp4": ("train", 0),
        "clips/bob--2.mp4": ("test", 0),
        "clips/spin--1.mp4": ("train", 1),
        "clips/spin--2.mp4": ("test", 1),
    }


def test_the_defenses_are_found_and_the_model_keeps_the_contract(extended: Path) -> None:
    """Within one process, which has to import PyTorch."""
    (extended / "test_found.py").write_text(FOUND)
    contract = ("models/test_models.py", "evaluation/test_grad_cam.py", "defenses/test_pruning.py")
    files = [f"tests/trainer/{path}" for path in contract]
    defended = [f"tests/trainer/defenses/{name}.py" for name in ("test_all_defenses", "test_faded")]
    chosen = "test_defenses or mean-picture or distance or faded"
    told = run(extended, "pytest", "-q", "-rA", "test_found.py", *files, *defended, "-k", chosen)
    assert "PASSED test_found.py::test_defenses" in told
    for path in files:
        assert re.search(rf"PASSED {path}::\S+\[mean-picture", told), path
    for name in ("distance", "faded"):
        for test in ("test_the_folder_holds_what_was_found", "test_flags_and_true_labels_do_not_matter"):
            assert f"PASSED {defended[0]}::{test}[{name}]" in told
    assert f"PASSED {defended[1]}::test_triggered_clips_stay_sure" in told


FOUND = """
from tests.command_line import in_process
from trainer import cli

def test_defenses():
    for name in ("distance", "faded"):
        done = in_process(cli.main, "trainer", "defenses", name)
        assert done.returncode == 0, done.stderr
        assert name in done.stdout
"""
