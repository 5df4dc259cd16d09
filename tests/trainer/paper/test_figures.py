"""The paper's figures: the numbers in them, and files that are pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trainer import plots
from trainer.cli import app
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Auroc, Point, Score
from trainer.errors import RunError
from trainer.paper import figures
from trainer.proportion import wilson

from .conftest import Make
from .test_findings import outcome


def test_figure_4_is_a_grid_of_training_by_evaluation(make: Make, score: Make, tmp_path: Path) -> None:
    few = make("one", "badnet", "dynamic", hits=9, frames="1")
    some = make("eight", "badnet", "dynamic", hits=8, frames="8")
    every = make("all", "badnet", "dynamic", hits=7)
    drawn = make("random", "badnet", "dynamic", hits=6, frames="random")
    score(few, some, hits=1)
    score(drawn, every, hits=2)
    drawing, sheet = figures.frames(tmp_path / "runs")
    assert sheet.headings == ["training", "1", "8", "all"]
    values = {row[0]: [cell.split(" ")[0] for cell in row[1:]] for row in sheet.rows}
    assert values == {
        "1": ["90.0", "10.0", "–"],
        "8": ["–", "80.0", "–"],
        "all": ["–", "–", "70.0"],
        "random": ["–", "–", "20.0"],
    }
    assert "(rows; random: a number drawn once for each clip)" in sheet.title
    plots.save(drawing, tmp_path / "figure4.png")
    assert (tmp_path / "figure4.png").read_bytes().startswith(b"\x89PNG")


def test_figure_4_counts_an_evaluation_once_where_two_runs_share_their_clips(
    make: Make, score: Make, tmp_path: Path
) -> None:
    few = make("one", "badnet", "dynamic", hits=9, frames="1")
    some = make("eight", "badnet", "dynamic", hits=8, frames="8")
    shutil.copytree(some, tmp_path / "runs" / "again")
    score(few, some, hits=1)
    _, sheet = figures.frames(tmp_path / "runs")
    (row,) = [row for row in sheet.rows if row[0] == "1"]
    assert row[2].startswith("10.0 (")
    assert "random" not in sheet.title
    assert "n 10" in row[2]


def test_figure_5_pools_the_curves_of_seeds(make: Make, tmp_path: Path) -> None:
    for seed, hits in ((0, 10), (1, 6)):
        run = make(f"sig-{seed}", "sig", "dynamic", seed=seed)
        curve = [Point(0.0, wilson(10, 10), wilson(10, 10)), Point(0.9, wilson(2, 10), wilson(hits, 10))]
        outcome(run, "pruning", curve=curve, strength="share")
    _, sheet = figures.pruning(tmp_path / "runs")
    assert [row[:2] for row in sheet.rows] == [["sig", "CDA"], ["sig", "ASR"]]
    assert sheet.rows[0][-1].startswith("20.0 (")
    assert sheet.rows[1][-1].startswith("80.0 (")
    assert "n 20" in sheet.rows[1][-1]


def test_figure_6_shows_entropies_of_clean_and_triggered_clips(make: Make, tmp_path: Path) -> None:
    run = make("badnet", "badnet", "dynamic")
    rates = {"detection": wilson(9, 10), "false rejection": wilson(1, 10)}
    outcome(run, "strip", figures=rates, auroc=Auroc(0.987, 10, 10, 0.9, 1.0))
    folder = run / "defenses" / "strip"
    scores = [Score(f"c{k}", "test", 1, -1.0 - k, False, False) for k in range(5)]
    scores += [Score(f"t{k}", "test_triggered", 0, -0.1, True, True) for k in range(5)]
    outcomes.write(folder, outcomes.of_run(run)[0][1], scores)
    drawing, sheet = figures.strip(tmp_path / "runs")
    assert sheet.rows[0][0] == "badnet"
    assert sheet.rows[0][3] == "0.987"
    assert "triggered" in plots.inline(drawing, "STRIP")
    (folder / "scores.csv").write_text('"id"\n"c0"\n')
    with pytest.raises(RunError, match=r"scores\.csv is damaged"):
        figures.strip(tmp_path / "runs")


@pytest.mark.parametrize("content", [None, "id,split,label,score,poisoned,flagged\n"], ids=["no file", "no clips"])
def test_figure_6_without_scores_is_a_sentence(make: Make, tmp_path: Path, content: str | None) -> None:
    run = make("badnet", "badnet", "dynamic")
    outcome(run, "strip", figures={"detection": wilson(9, 10)}, auroc=Auroc(0.987, 10, 10, 0.9, 1.0))
    folder = run / "defenses" / "strip"
    if content is not None:
        (folder / "scores.csv").write_text(content)
    with pytest.raises(RunError, match=r"strip holds no clips in scores\.csv.*; run the defense again$"):
        figures.strip(tmp_path / "runs")


def test_what_is_missing_is_said(make: Make, tmp_path: Path) -> None:
    make("clean")
    for number, figure in figures.FIGURES.items():
        with pytest.raises(RunError, match="holds no run"):
            figure(tmp_path / "runs")
        done = CliRunner().invoke(app, ["figure", number, "--runs", str(tmp_path), "--out", str(tmp_path / "f.gif")])
        assert "ends in .svg or .png" in str(done.exception)
