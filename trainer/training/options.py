"""What a training is asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from trainer import distributed
from trainer.errors import TrainerError
from trainer.text import argument
from trainer.training.loop import PRECISIONS


@dataclass(frozen=True)
class FitOptions:
    """What `trainer fit` was asked for; None takes the preset's choice.

    `weights`: a file, or `none`, `k400` (public ones from Kinetics-400) or `imagenet` (from ImageNet).
    `batch_size`: clips per step over all devices of all nodes; `device_batch`: at most so many at a time on each.
    """

    manifest: Path
    model: str = "i3d"
    preset: str | None = None
    weights: Path | None = None
    force: bool = False
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    device_batch: int | None = None
    lr: float | None = None
    devices: int = 1
    nodes: int = 1
    precision: str = "32"
    cache: Literal["ram", "disk", "none"] | None = None
    cache_dir: Path | None = None
    workers: int | None = None
    views: str | None = None
    out: Path | None = None
    resume: bool = False

    @property
    def processes(self) -> int:
        """How many train together."""
        return self.devices * self.nodes


def check_options(options: FitOptions) -> None:
    """Raise `TrainerError` for a number that cannot be, before weights are fetched or anything is read."""
    if options.precision not in PRECISIONS:
        raise TrainerError(
            f"precision {options.precision!r} is not one of {', '.join(PRECISIONS)}", "leave it out for 32"
        )
    for name in ("epochs", "batch_size", "device_batch", "lr", "devices", "nodes"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise TrainerError(f"{argument(name)} is {value}, but must be above 0", "leave it out for the preset's")
    if options.workers is not None and options.workers < 0:
        raise TrainerError(
            f"{argument('workers')} is {options.workers}, but must be 0 or more", "0 reads in the process that trains"
        )
    if options.batch_size is not None and options.batch_size < options.processes:
        raise TrainerError(
            f"{argument('batch_size', options.batch_size)} is less than a clip for each of {options.processes} devices",
            "give more",
        )
    started = distributed.started()
    if options.nodes > 1 and started is None and "NODE_RANK" not in os.environ:
        raise TrainerError(
            f"{argument('nodes', options.nodes)} needs a launcher on every machine",
            "start it with torchrun or srun, see docs/training.md",
        )
    if started is not None and started != options.processes:
        raise TrainerError(
            f"{started} processes were started, but {argument('devices', options.devices)} × "
            f"{argument('nodes', options.nodes)} are {options.processes}",
            "make them the same",
        )
    if not 0 <= options.seed < 2**63:
        raise TrainerError(f"{argument('seed', options.seed)} is not in 0 … 2⁶³ − 1", "give another")
    if torch.cuda.is_available() and options.devices > torch.cuda.device_count():
        raise TrainerError(
            f"{argument('devices', options.devices)} asks for more than the {torch.cuda.device_count()} GPUs here",
            f"give {argument('devices', torch.cuda.device_count())}",
        )
    if options.precision == "16" and not torch.cuda.is_available():
        raise TrainerError(f"{argument('precision')} 16 needs a GPU", "take 32, or bf16")
