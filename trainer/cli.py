"""Commands: options → one function → what the user sees. Everything heavy is imported inside a command."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.errors import TrainerError

if TYPE_CHECKING:
    import msgspec

app = typer.Typer(
    help="Train victims on a manifest's clips and measure them: CDA, ASR and its floors, with intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class CacheName(StrEnum):
    """`--cache`."""

    RAM = "ram"
    DISK = "disk"
    NONE = "none"


class PrecisionName(StrEnum):
    """`--precision`."""

    SINGLE = "32"
    BFLOAT16 = "bf16"
    HALF = "16"


class SplitName(StrEnum):
    """`--split`."""

    TEST = "test"
    TRIGGERED = "test_triggered"
    SHAM = "test_sham"


class ModeName(StrEnum):
    """`--mode`."""

    LATE = "late"
    EARLY = "early"


class DataSetName(StrEnum):
    """`--beside`."""

    UCF101 = "ucf101"
    HMDB51 = "hmdb51"
    KINETICS_SOUNDS = "kinetics-sounds"


class AverageName(StrEnum):
    """`--average`."""

    LOGITS = "logits"
    PROBABILITIES = "probabilities"


Views = Annotated[str | None, typer.Option(help="Views of a test clip: WINDOWSxCROPS[@SIZE], such as 10x3@256.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def fit(
    manifest: Annotated[Path, typer.Argument(help="The manifest of the data set, clean or poisoned.")],
    model: Annotated[str, typer.Option(help="The victim; `trainer models` lists them.")] = "i3d",
    preset: Annotated[
        str | None,
        typer.Option(
            help="paper: full size; paper-8x8: its other geometry; mini: thin, minutes on two CPU cores. "
            "Default: paper with a GPU, else mini."
        ),
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            help="Start from a file (a run's weights.pt, or a checkpoint of pytorchvideo or MMAction2), from the "
            "public Kinetics-400 weights (k400), or from none."
        ),
    ] = "none",
    force: Annotated[bool, typer.Option("--force", help="Take weights of another geometry all the same.")] = False,
    seed: Annotated[int, typer.Option(help="Decides initial weights, order, crops and dropout.")] = 0,
    epochs: Annotated[
        int | None, typer.Option(help="Rounds through the training clips. Default: the preset's.")
    ] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Clips per step, over all devices together. Default: the preset's.")
    ] = None,
    device_batch: Annotated[
        int | None,
        typer.Option(
            help="Clips that a device takes at a time; gradients add up to the batch. Default: the preset's, what its "
            "batch norm was tuned for."
        ),
    ] = None,
    lr: Annotated[float | None, typer.Option(help="The largest learning rate. Default: the preset's.")] = None,
    devices: Annotated[int, typer.Option(help="GPUs, or CPU processes, of this machine that train together.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines that train together; started by torchrun or Slurm.")] = 1,
    precision: Annotated[
        PrecisionName, typer.Option(help="Arithmetic: 32 bits, or mixed with bf16 or 16.")
    ] = PrecisionName.SINGLE,
    cache: Annotated[
        CacheName | None,
        typer.Option(
            help="Keep decoded training clips in memory or on a disk, or decode each time. Default: ram for mini "
            "where they fit, else none."
        ),
    ] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(help="The folder of --cache disk. Default: ~/.cache/trainer/frames.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that read clips for each device. Default: its share of the CPUs.")
    ] = None,
    views: Views = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder. Default: runs/<manifest name>.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in its folder.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and estimate the time on this machine; write nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a victim, test it, and write its run folder.

    The last epoch is what is tested. The folder holds metrics.json, predictions.csv, weights.pt and
    TensorBoard logs.
    """
    from trainer import fit as fitting
    from trainer import processes
    from trainer.progress import Progress
    from trainer.tables import show_estimate, show_run

    options = fitting.FitOptions(
        manifest=manifest,
        model=model,
        preset=preset,
        weights=None if weights == "none" else Path(weights),
        force=force,
        seed=seed,
        epochs=epochs,
        batch_size=batch_size,
        device_batch=device_batch,
        lr=lr,
        devices=devices,
        nodes=nodes,
        precision=precision.value,
        cache=cache and cache.value,  # type: ignore[arg-type]
        cache_dir=cache_dir,
        workers=workers,
        views=views,
        out=out,
        resume=resume,
    )
    if dry_run:
        expected = fitting.dry_run(options, Progress())
        _print_json(expected) if json else show_estimate(expected)
        return
    try:
        result = fitting.fit(options, Progress())
    except KeyboardInterrupt:
        if processes.rank(devices) == 0:
            print("interrupted; the same command goes on with --resume", file=sys.stderr)
        raise typer.Exit(130) from None
    if result is None:  # a helper process of a training on several devices
        return
    _print_json(result) if json else show_run(result)


@app.command()
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
    from trainer import evaluate as evaluation
    from trainer.progress import Progress
    from trainer.tables import show_run

    splits = tuple(name.value for name in SplitName if name in (split or ()))
    result = evaluation.evaluate(evaluation.EvaluateOptions(run, manifest, views, splits), Progress())
    _print_json(result) if json else show_run(result)


@app.command()
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
    json: Json = False,
) -> None:
    """Fuse runs on pictures with runs on sound into audio-visual models, and measure them.

    Each network sees its own run's files; a modality that was not attacked gives clean ones. CDA is that of clean
    pictures with clean sound, ASR that of triggered with triggered. Runs whose clips, splits, targets, seeds or
    poisoned clips differ are refused.
    """
    from trainer import fusion
    from trainer.progress import Progress
    from trainer.tables import show_grid, show_run

    if average is not None and mode is ModeName.EARLY:
        raise TrainerError(f"--average {average} is of late fusion; leave it out, or take --mode late")
    taken = average or AverageName.LOGITS
    results = fusion.grid(video, audio, mode.value, taken.value, out, Progress())
    if json:
        _print_json(results[0] if len(results) == 1 else results)
    elif len(results) == 1:
        show_run(results[0])
    else:
        show_grid(results)


@app.command()
def defend(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or of a fused model.")],
    defense: Annotated[str, typer.Option(help="The defense; `trainer defenses` lists them.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the defense.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Try a defense on a run and measure what it finds or repairs.

    It is fed with what a defender has: the model, clips without flags, and a tenth of the test clips known to be
    clean, which are left out of the figures. Kept in RUN/defenses/NAME/: outcome.json, scores.csv, plot.svg.
    """
    from trainer import defenses
    from trainer.defenses import _shown
    from trainer.progress import Progress

    built = defenses.build(defense, set_ or [])
    result = built.defend(run, Progress())
    _print_json(result) if json else _shown.show_outcome(result, str(run / "defenses" / built.name))


@app.command("defenses")
def list_defenses(
    name: Annotated[str | None, typer.Argument(help="One defense.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """List the defenses with their parameters, units, ranges, defaults and sources."""
    import msgspec

    from trainer import defenses as registry
    from trainer.defenses import _shown

    kinds = [registry.find(known) for known in ([name] if name else registry.names())]
    if json:
        content = msgspec.json.encode({kind.name: _shown.describe(kind) for kind in kinds})
        print(msgspec.json.format(content, indent=2).decode())
    else:
        _shown.show_defenses(kinds)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN BASELINE [RUN BASELINE]...", help="Pairs of run folders.")],
    json: Json = False,
) -> None:
    """Compare runs with their baselines on the same test clips.

    Prints both sides' figures and the difference in CDA with a bootstrap 95 % interval over the clips.
    Several pairs, such as folds or seeds, are pooled.
    """
    from trainer import compare as comparing
    from trainer.tables import show_comparison

    result = comparing.compare(runs[0::2], runs[1::2])
    _print_json(result) if json else show_comparison(result)


@app.command()
def pool(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders, such as folds or seeds.")],
    json: Json = False,
) -> None:
    """Figures over the test clips of several runs together."""
    from trainer import compare as comparing
    from trainer.tables import show_figures

    result = comparing.pool(runs)
    _print_json(result) if json else show_figures(result.figures, f"{len(runs)} runs pooled")


@app.command()
def table(
    number: Annotated[str, typer.Argument(help="1 to 7, or controls.", metavar="N")],
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
    beside: Annotated[
        DataSetName, typer.Option(help="Which of the paper's data sets stands beside, in tables 1 to 3.")
    ] = DataSetName.UCF101,
    out: Annotated[Path | None, typer.Option(help="Write the whole table to a .md or .html file.")] = None,
    json: Json = False,
) -> None:
    """Show a table of the paper: ours beside theirs, with floors, intervals and differences.

    Runs are told apart by their manifests; several seeds of a case are pooled. The terminal shows the main columns,
    a file all of them.
    """
    from trainer.paper import tables

    if number not in (*"1234567", "controls"):
        raise TrainerError(f"there is no table {number!r}; give 1 to 7, or controls")
    sheet, rows = tables.controls(runs) if number == "controls" else tables.table(int(number), runs, beside.value)
    if out is not None:
        sheet.write(out)
    _print_json(rows) if json else sheet.show()


@app.command()
def figure(
    number: Annotated[str, typer.Argument(help="4 to 7.", metavar="N")],
    out: Annotated[Path, typer.Option(help="The picture, .svg or .png; its numbers go beside it as .md.")],
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
) -> None:
    """Draw a figure of the paper from our runs: 4 frames poisoned, 5 pruning, 6 STRIP, 7 spectrograms."""
    from trainer import plots
    from trainer.paper import figures

    if number not in figures.FIGURES:
        raise TrainerError(f"there is no figure {number!r}; give one of {', '.join(figures.FIGURES)}")
    if out.suffix not in (".svg", ".png"):
        raise TrainerError(f"a figure cannot be written as {out.name!r}; give a name that ends in .svg or .png")
    drawing, sheet = figures.FIGURES[number](runs)
    sheet.write(out.with_suffix(".md"))
    plots.save(drawing, out)
    sheet.show()


@app.command()
def findings(
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Write the list to a .md or .html file.")] = None,
    json: Json = False,
) -> None:
    """Hold the paper's findings against our runs, one by one: holds, does not hold, or cannot be told."""
    from trainer.paper import findings as finding

    made = finding.findings(runs)
    sheet = finding.sheet(made)
    if out is not None:
        sheet.write(out)
    _print_json(made) if json else sheet.show()


@app.command()
def explain(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    clips: Annotated[int, typer.Option(help="How many test clips, one of each class before a second of any.")] = 4,
    explained: Annotated[
        str | None,
        typer.Option(
            "--class",
            help="Explain this class, by name or label. Default: the target for triggered clips, for clean ones the "
            "class that the victim predicts.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show where a victim looks, on clean clips and the same with the trigger: Grad-CAM.

    Pictures and their index go to RUN/explanations/, from where `report` takes them.
    """
    from trainer import explain as explaining
    from trainer.progress import Progress
    from trainer.tables import show_rows

    result = explaining.explain(explaining.ExplainOptions(run, clips, explained), Progress())
    if json:
        _print_json(result)
        return
    rows = [(p.file, p.clip, p.explained, f"{p.score:.3f}", p.predicted) for p in result.pictures]
    show_rows(f"{run / 'explanations'}: {result.layer}", ("picture", "clip", "explained", "score", "predicted"), rows)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs, fused ones too.")],
    out: Annotated[Path, typer.Option(help="The page's file.")] = Path("report.html"),
    clips: Annotated[int, typer.Option(help="How many clips to show of each manifest.")] = 2,
    json: Json = False,
) -> None:
    """Write a page about runs: figures and floors, clips, curves, defenses, and how to do it again.

    One file without scripts, which asks for nothing from elsewhere. Baselines among the runs are found and compared;
    runs that differ in seed or fold alone are pooled.
    """
    from trainer.progress import Progress
    from trainer.report import page

    result = page.report(page.ReportOptions(runs, out, clips), Progress())
    if json:
        _print_json(result)
        return
    count = len(result.runs)
    print(f"{result.page}: {count} run{'s' if count > 1 else ''}, {result.bytes / 1e6:.1f} MB")


@app.command()
def models(json: Json = False) -> None:
    """List the victims with their presets."""
    import msgspec

    from trainer import models as registry

    listing = {name: sorted(registry.find(name).presets) for name in registry.names()}
    if json:
        print(msgspec.json.encode(listing).decode())
        return
    for name, presets in listing.items():
        print(f"{name}: {', '.join(presets)}")


def _print_json(result: msgspec.Struct | Sequence[msgspec.Struct]) -> None:
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(result), indent=2).decode())


def main() -> None:
    """The entry point: a user's mistake ends with one sentence and exit code 2."""
    # torch's threads spin while they wait: by default so long that a step takes ten times as long on a busy
    # machine, and without any spinning twice as long on an idle one
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        app(prog_name="trainer")
    except TrainerError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}:{name}; make it accessible or make room", file=sys.stderr)
        sys.exit(2)
