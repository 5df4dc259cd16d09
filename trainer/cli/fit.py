"""`trainer fit`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trainer.training.options import FitOptions

from trainer.cli.options import Json, Views, print_json
from trainer.text import shown


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


ManifestPath = Annotated[Path, typer.Argument(help="The manifest of the data set, clean or poisoned.")]
Model = Annotated[str, typer.Option(help="The victim; `trainer models` lists them.")]
PresetName = Annotated[
    str | None,
    typer.Option(
        help="paper: full size; paper-8x8: its other geometry; lite: small, from ImageNet weights, minutes on two CPU "
        "cores; mini: thin, for smoke tests. Default: paper with a GPU, else lite where the model has it and its "
        "weights are installed, else mini."
    ),
]
WeightsGiven = Annotated[
    str | None,
    typer.Option(
        help="Start from a file (a run's weights.pt, or a checkpoint of pytorchvideo or MMAction2), from the "
        "public Kinetics-400 weights (k400), from ImageNet weights (imagenet), or from none. Default: imagenet for "
        "lite, else none."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Take weights of another geometry all the same.")]
Seed = Annotated[int, typer.Option(help="Decides initial weights, order, crops and dropout.")]
Epochs = Annotated[int | None, typer.Option(help="Rounds through the training clips. Default: the preset's.")]
BatchSize = Annotated[
    int | None, typer.Option(help="Clips per step, over all devices together. Default: the preset's.")
]
DeviceBatch = Annotated[
    int | None,
    typer.Option(
        help="Clips that a device takes at a time; gradients add up to the batch. Default: the preset's, what its "
        "batch norm was tuned for."
    ),
]
LearningRate = Annotated[float | None, typer.Option(help="The largest learning rate. Default: the preset's.")]
Devices = Annotated[int, typer.Option(help="GPUs, or CPU processes, of this machine that train together.")]
Nodes = Annotated[int, typer.Option(help="Machines that train together; started by torchrun or Slurm.")]
Precision = Annotated[PrecisionName, typer.Option(help="Arithmetic: 32 bits, or mixed with bf16 or 16.")]
Cache = Annotated[
    CacheName | None,
    typer.Option(
        help="Keep decoded training clips in memory or on a disk, or decode each time. Default: ram for lite and mini "
        "where they fit, else none."
    ),
]
CacheDir = Annotated[Path | None, typer.Option(help="The folder of --cache disk. Default: ~/.cache/trainer/frames.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that read clips for each device. Default: its part of the CPUs.")
]
Out = Annotated[Path | None, typer.Option(help="The run's folder. Default: runs/<manifest name>.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run in its folder.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Check everything and estimate the time on this machine; write nothing.")
]


def fit(
    manifest: ManifestPath,
    model: Model = "i3d",
    preset: PresetName = None,
    weights: WeightsGiven = None,
    force: Force = False,
    seed: Seed = 0,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    device_batch: DeviceBatch = None,
    lr: LearningRate = None,
    devices: Devices = 1,
    nodes: Nodes = 1,
    precision: Precision = PrecisionName.SINGLE,
    cache: Cache = None,
    cache_dir: CacheDir = None,
    workers: Workers = None,
    views: Views = None,
    out: Out = None,
    resume: Resume = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train a victim, test it, and write its run folder.

    The last epoch is what is tested. The folder holds metrics.json, predictions.csv, weights.pt and
    TensorBoard logs.
    """
    from trainer.cli.tables import show_estimate
    from trainer.progress import Progress
    from trainer.training import fit as fitting
    from trainer.training.options import FitOptions

    options = FitOptions(
        manifest=manifest,
        model=model,
        preset=preset,
        weights=None if weights is None else Path(weights),
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
        print_json(expected) if json else show_estimate(expected)
    else:
        _train(options, json)


def _train(options: FitOptions, json: bool) -> None:
    """Train, and show what came of it."""
    from trainer import distributed
    from trainer.cli.tables import show_run
    from trainer.progress import Progress
    from trainer.training import fit as fitting

    try:
        result = fitting.fit(options, Progress())
    except KeyboardInterrupt:
        if distributed.rank(options.devices) == 0:
            print("interrupted; the same command goes on with --resume", file=sys.stderr)
        raise typer.Exit(130) from None
    if result is None:  # a helper process of a training on several devices
        return
    if json:
        print_json(result)
        return
    show_run(result)
    folder = shown(str(fitting.folder_of(options.out, result.manifest.name)))
    print(f"\nrun: {folder}\nnext: trainer report {folder}")
