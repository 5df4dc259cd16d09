"""The commands that a report prints make the same data set again."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

from tests.conftest import make_ucf_tree
from tests.trainer.report.conftest import CLASSES, Page, attacked_set, finished_run
from trainer.models import weights
from trainer.models.i3d import I3D
from trainer.models.initial import start_from
from trainer.progress import Progress
from trainer.report import commands, page, reading
from trainer.report.page import ReportOptions


def poisonkit(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "poisonkit", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_printed_commands_give_the_same_manifest(tmp_path: Path) -> None:
    source = make_ucf_tree(tmp_path / "my data")
    first = tmp_path / "one" / "first.json"
    chosen = ["--mode", "dynamic", "--set", "badnet.patch=0.25", "--rate", "0.4", "--target", "Beta", "--seed", "5"]
    places = ["--frames", "4", "--window", "8x2", "--quality", "high", "--short-side", "32"]
    where = ["--out", str(tmp_path / "a copy"), "--manifest", str(first)]
    poisonkit("poison", str(source), "--attack", "badnet", *chosen, *places, *where)
    run = reading.read(finished_run(tmp_path / "a run", first))
    poison, fit = commands.of_run(run)
    words = shlex.split(poison)
    assert words[0] == "poisonkit"
    second = tmp_path / "two" / "first.json"
    replaced = {"SRC": str(source), str(first): str(second), str(tmp_path / "a copy"): str(tmp_path / "another")}
    poisonkit(*(replaced.get(word, word) for word in words[1:]))
    made, again = (json.loads(path.read_text()) for path in (first, second))
    assert (made.pop("root"), again.pop("root")) == ("../a copy", "../another")
    assert made == again
    # nor does the command as it is want another copy, or another manifest
    poisonkit(*(str(source) if word == "SRC" else word for word in words[1:]))
    assert {path.name for path in tmp_path.iterdir()} == {"my data", "one", "two", "a copy", "another", "a run"}
    assert json.loads(first.read_text())["root"] == "../a copy"
    assert shlex.split(fit)[:3] == ["trainer", "fit", str(first)]
    assert shlex.split(fit)[-2:] == ["--out", str(tmp_path / "a run")]


def test_weights_are_given_from_where_they_lay(tmp_path: Path) -> None:
    manifest, first = attacked_set(tmp_path), tmp_path / "first run"
    preset = I3D.presets["mini"]
    first.mkdir()
    weights.save(I3D.from_preset(preset, len(CLASSES)).weights(preset, CLASSES), first / "weights.pt")
    _, origin = start_from(first / "weights.pt", "i3d", "mini")
    asked = {"weights_from": str(first / "weights.pt")}
    known = reading.read(finished_run(tmp_path / "known", manifest, weights=origin, asked=asked))
    words = shlex.split(commands.of_run(known)[-1])
    given = words[words.index("--weights") + 1]
    assert start_from(Path(given), "i3d", "mini")[1] == origin
    # a run of an earlier version has the name alone, which is a path from nowhere
    unknown = reading.read(finished_run(tmp_path / "unknown", manifest, weights=origin))
    assert "--weights WEIGHTS" in commands.of_run(unknown)[-1]
    page.report(ReportOptions([known.folder, unknown.folder], tmp_path / "report.html", clips=0), Progress())
    notes = [text for text in Page((tmp_path / "report.html").read_text()).text.splitlines() if "SHA-256" in text]
    digits = origin.split(":")[1][:12]
    told = f"weights.pt with a SHA-256 that begins with {digits}; another file gives another run."
    assert notes == [
        f"--weights was the file {told} Whether it took --force is not recorded.",
        f"WEIGHTS is a file that lay where the run does not say, {told} Whether it took --force is not recorded.",
    ]
    scratch = reading.read(finished_run(tmp_path / "scratch", manifest))
    assert "--weights" not in commands.of_run(scratch)[-1]


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
