"""Commands that score runs: `trainer evaluate`, `fuse`, `compare` and `pool`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import Json, Views, print_json
from trainer.errors import TrainerError
from trainer.text import argument


class SplitName(StrEnum):
    """`--split`."""

    TEST = "test"
    TRIGGERED = "test_triggered"
    SHAM = "test_sham"


class ModeName(StrEnum):
    """`--mode`."""

    LATE = "late"
    EARLY = "early"


class AverageName(StrEnum):
    """`--average`."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    manifest: Annotated[Path | None, typer.Argument(help="Test clips to score it on. Default: the run's own.")] = None,
    views: Views = None,
    split: Annotated[
        list[SplitName] | None, typer.Option(help="Score only these clips, such as the triggered. Default: all tests.")
    ] = None,
    json: Json = False,
) -> None:
    """Score a run's weights again, on its own test clips or on another manifest's.

    A baseline scored on an attack's manifest gives the attack's floor in a model that never saw the trigger.
    Figures on other clips or views are kept in RUN/evaluations/, which `compare` and `pool` take like a run.
    """
    from trainer.cli.tables import show_run
    from trainer.evaluation import evaluate as evaluation
    from trainer.progress import Progress
    from trainer.runs import folder as runs

    splits = tuple(name.value for name in SplitName if name in (split or ()))
    result = evaluation.evaluate(evaluation.EvaluateOptions(run, manifest, views, splits), Progress())
    if json:
        print_json(result)
        return
    own = runs.read_settings(run).manifest.sha256
    show_run(result, None if result.manifest.sha256 == own else str(run))


def probe(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    manifest: Annotated[
        Path | None, typer.Argument(help="The manifest with the trigger. Default: the run's own.")
    ] = None,
    json: Json = False,
) -> None:
    """Say why a victim learned a trigger or did not: out of view, no response, not fitted, or memorised.

    The figures: what the victim's view keeps of the trigger; how far the trigger moves the features, of the weights
    that the run started from and of its own, over their spread between clips; how its poisoned training clips are
    fitted; and the ASR, on test clips and on training clips that were not poisoned (`poisonkit poison
    --train-triggered` writes those).
    """
    from trainer.cli.tables import show_probe
    from trainer.evaluation import probe as probing
    from trainer.progress import Progress

    result = probing.probe(run, manifest, Progress())
    print_json(result) if json else show_probe(result)


def fuse(
    video: Annotated[list[Path], typer.Option(help="A run of a model that sees; several make a grid.")],
    audio: Annotated[list[Path], typer.Option(help="A run of a model that hears; several make a grid.")],
    mode: Annotated[
        ModeName, typer.Option(help="late: the mean of both scores; early: a linear classifier on both features.")
    ] = ModeName.LATE,
    average: Annotated[
        AverageName | None,
        typer.Option(
            help="What late fusion takes the mean of, itself the mean over a clip's views.", show_default="logits"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The fused model's folder, or of several the folder above. Default: runs/VIDEO+AUDIO-MODE."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="A fused model of clean runs, to be scored on the same clips. Default: a grid's clean pair."),
    ] = None,
    json: Json = False,
) -> None:
    """Fuse runs on video with runs on audio into audio-visual models, and measure them.

    Each network sees its own run's files; a modality that was not attacked gives clean ones. CDA is that of clean
    video with clean audio, ASR that of triggered with triggered. Runs whose clips, splits, targets, seeds or
    poisoned clips differ are refused. The baseline's ASR, the floor, is kept in BASELINE/evaluations/, where tables and
    reports look for it.
    """
    from trainer.cli.tables import show_grid, show_run
    from trainer.fusion.grid import grid
    from trainer.progress import Progress

    if average is not None and mode is ModeName.EARLY:
        raise TrainerError(
            f"{argument('average', average.value)} is of late fusion",
            f"leave it out, or take {argument('mode', 'late')}",
        )
    taken = average or AverageName.LOGITS
    results = grid(video, audio, mode.value, taken.value, out, Progress(), baseline)
    if json:
        print_json(results[0] if len(results) == 1 else results)
    elif len(results) == 1:
        show_run(results[0])
    else:
        show_grid(results)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN BASELINE [RUN BASELINE]...", help="Pairs of run folders.")],
    json: Json = False,
) -> None:
    """Compare runs with their baselines on the same test clips.

    Prints both sides' figures and the difference in CDA with a bootstrap 95 % interval over the clips.
    Several pairs, such as folds or seeds, are pooled.
    """
    from trainer.cli.tables import show_comparison
    from trainer.evaluation import compare as comparing

    result = comparing.compare(runs[0::2], runs[1::2])
    print_json(result) if json else show_comparison(result)


def pool(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, such as folds or seeds.")],
    json: Json = False,
) -> None:
    """Figures over the test clips of several runs together."""
    from trainer.cli.tables import show_figures
    from trainer.evaluation import compare as comparing

    result = comparing.pool(runs)
    print_json(result) if json else show_figures(result.figures, f"{len(runs)} runs pooled")
