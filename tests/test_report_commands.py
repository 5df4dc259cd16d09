"""The commands that a report prints make the same data set again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import make_ucf_tree
from tests.trainer.report.conftest import finished_run
from trainer.report import commands, reading


def poisonkit(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "poisonkit", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_printed_commands_give_the_same_manifest(tmp_path: Path) -> None:
    source = make_ucf_tree(tmp_path / "my data")
    first = tmp_path / "one" / "first.json"
    chosen = ["--mode", "dynamic", "--set", "badnet.patch=0.25", "--rate", "0.4", "--target", "Beta", "--seed", "5"]
    places = ["--frames", "4", "--window", "8x2", "--quality", "high", "--short-side", "32"]
    where = ["--out", str(tmp_path / "one" / "data"), "--manifest", str(first)]
    poisonkit("poison", str(source), "--attack", "badnet", *chosen, *places, *where)
    run = reading.read(finished_run(tmp_path / "a run", first))
    poison, fit = commands.of_run(run)
    words = shlex.split(poison)
    assert words[0] == "poisonkit"
    second = tmp_path / "two" / "first.json"
    replaced = {"SRC": str(source), str(first): str(second)}
    poisonkit(*(replaced.get(word, word) for word in words[1:]), "--out", str(tmp_path / "two" / "data"))
    assert json.loads(second.read_text()) == json.loads(first.read_text())
    assert shlex.split(fit)[:3] == ["trainer", "fit", str(first)]
    assert shlex.split(fit)[-2:] == ["--out", str(tmp_path / "a run")]


def test_a_baselines_commands(tmp_path: Path) -> None:
    source = make_ucf_tree(tmp_path / "data", per_class=2)
    first, second = tmp_path / "one" / "clean.json", tmp_path / "two" / "clean.json"
    poisonkit("index", str(source), "--manifest", str(first))
    index, _ = commands.of_run(reading.read(finished_run(tmp_path / "run", first)))
    replaced = {"SRC": str(source), str(first): str(second)}
    poisonkit(*(replaced.get(word, word) for word in shlex.split(index)[1:]))
    one, two = json.loads(first.read_text()), json.loads(second.read_text())
    assert one["samples"] == two["samples"]
    assert one["source"] == two["source"]
