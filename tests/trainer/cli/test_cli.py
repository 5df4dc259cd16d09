"""The command line: help, tables, JSON, and mistakes that end with one sentence and exit code 2."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.command_line import in_a_process, in_process
from tests.trainer.conftest import sample, untrained_run
from tests.trainer.evaluation.test_compare import write_run
from trainer import cli
from trainer.cli.tables import show_figures
from trainer.proportion import Proportion
from trainer.runs.metrics import Scores


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["trainer", *arguments])
    with pytest.raises(SystemExit) as done:
        cli.main()
    return int(done.value.code or 0)


@pytest.mark.parametrize("command", ["fit", "evaluate", "fuse", "compare", "pool", "explain", "report", "models"])
def test_every_command_has_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert call(monkeypatch, command, "--help") == 0
    out = capsys.readouterr().out
    assert "Usage: trainer " + command in out
    assert "--json" in out


def test_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"trainer {version('poisonkit')}\n"


def test_a_share_that_is_not_above_its_floor_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    asr, low, high = Proportion(0.9, 40, 0.8, 0.95), Proportion(0.1, 40, 0.05, 0.2), Proportion(0.9, 40, 0.85, 0.95)
    for floor, told in ((low, False), (high, True)):
        show_figures(Scores(low, asr, None, floor, None, None), "a run")
        assert ("careful: The interval of ASR" in capsys.readouterr().out) is told


def test_mistakes_end_with_a_sentence(tmp_path: Path, write_manifest: Callable[..., Path]) -> None:
    """The first in a process of its own, as users see it."""
    manifest = write_manifest([sample("a"), sample("test-a", "test")])
    mistakes = (
        (["fit", "nothing.json"], "cannot read the manifest nothing.json"),
        (["fit", str(manifest), "--preset", "mini"], "which is no folder; move it back"),
        (["evaluate", str(tmp_path)], "run.json"),
        (["pool", str(tmp_path)], "metrics.json"),
        (
            ["compare", str(tmp_path)],
            "1 run and 0 baselines are no pairs; give each run before its own: `trainer compare RUN",
        ),
    )
    for place, (arguments, words) in enumerate(mistakes):
        if place == 0:
            done = in_a_process("trainer", *arguments, cwd=tmp_path)
        else:
            done = in_process(cli.main, "trainer", *arguments, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert words in errors[0]


@pytest.mark.parametrize(
    "arguments",
    [
        ["fit"],
        ["fit", "m.json", "--preset", "huge"],
        ["fit", "m.json", "--epochs", "many"],
        ["train"],
        ["pool"],
    ],
)
def test_wrong_usage_is_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(monkeypatch, *arguments) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_wrong_choice_is_told_in_plain_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "fit", "m.json", "--cache", "middle") == 2
    error = capsys.readouterr().err
    assert "'middle' is not one of" in error
    assert "Value error" not in error


def test_a_report_is_html(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(monkeypatch, "report", str(tmp_path), "--out", str(tmp_path / "report.pdf")) == 2
    assert "cannot be written as 'report.pdf'; give a name that ends in .html" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_evaluation_on_other_clips_says_so_in_its_title(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, bars: Path
) -> None:
    untrained_run(tmp_path / "run", bars)
    content = json.loads(bars.read_text())
    root = os.path.relpath(bars.parent / "data", tmp_path)
    (tmp_path / "other.json").write_text(json.dumps({**content, "name": "other", "root": root}))
    monkeypatch.chdir(tmp_path)
    assert call(monkeypatch, "evaluate", "run", "other.json") == 0
    assert "run on other: i3d mini, views 1x1@96" in " ".join(capsys.readouterr().out.split())
    assert call(monkeypatch, "evaluate", "run") == 0
    assert capsys.readouterr().out.startswith("bars: i3d mini, ")


def test_pool_prints_a_table_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    one = str(write_run(tmp_path / "a", {"x": True, "y": False}, triggered=3))
    other = str(write_run(tmp_path / "b", {"z": True, "w": True}, triggered=3))
    assert call(monkeypatch, "pool", one, other) == 0
    table = capsys.readouterr().out
    assert "ASR (all)" in table
    assert "0.750" in table
    assert call(monkeypatch, "pool", one, other, "--json") == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["cda"]["value"] == 0.75
    assert figures["asr"] == {
        "value": 0.75,
        "n": 8,
        "low": figures["asr"]["low"],
        "high": figures["asr"]["high"],
    }


def test_compare_prints_the_paired_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    attack = str(write_run(tmp_path / "a", {"x": True, "y": False}))
    baseline = str(write_run(tmp_path / "b", {"x": True, "y": True}))
    assert call(monkeypatch, "compare", attack, baseline) == 0
    assert "CDA difference -0.500 (95 %" in capsys.readouterr().out
    assert call(monkeypatch, "compare", attack, baseline, "--json") == 0
    assert json.loads(capsys.readouterr().out)["cda_difference"]["value"] == -0.5


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "models") == 0
    assert "i3d: mini, paper, paper-8x8\n" in capsys.readouterr().out
    assert call(monkeypatch, "models", "--json") == 0
    assert json.loads(capsys.readouterr().out)["i3d"] == ["mini", "paper", "paper-8x8"]
