"""A model of a few weights, trained by one process or by several, of which `member` is one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from trainer import distributed, manifest, models
from trainer.data import training_set
from trainer.progress import Progress
from trainer.runs.folder import ManifestStamp, Settings
from trainer.training import loop

CASES = {"plain": 1, "accumulated": 2, "norm": 1}
"""What is trained, and the parts that each process has of a batch."""


class Plain(torch.nn.Module):
    memory_format = torch.contiguous_format

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.norm = torch.nn.BatchNorm3d(3) if norm else torch.nn.Identity()
        self.head = torch.nn.Linear(3, 2)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(torch.relu(self.norm(clips.float() / 255)).mean(dim=(2, 3, 4)))  # type: ignore[no-any-return]


def learn(path: Path, folder: Path, case: str, count: int = 1, accumulate: int = 1) -> dict[str, Tensor]:
    """Two epochs of SGD; the weights."""
    preset = models.preset_of("i3d", "mini")
    recipe = replace(preset.recipe, optimizer="sgd", lr=0.5)
    source = training_set.training(manifest.load(path), preset, 0, training_set.Reading(), Progress())
    torch.manual_seed(0)
    model = Plain(case == "norm")
    stamp = ManifestStamp("bars", "0")
    settings = Settings(stamp, "i3d", "mini", "none", 0, 2, 4, accumulate, 0.5, count, "32", "", {})
    group = loop.Group(count, 1, distributed.rank(1))
    loop.train(model, source, recipe, settings, group, folder / case, Progress())  # type: ignore[arg-type]
    return model.state_dict()


def member(path: Path, folder: Path, count: int, environment: dict[str, str]) -> None:
    """One of `count` processes that meet as the environment says; the first writes the weights."""
    os.environ.update(environment)
    torch.set_num_threads(1)
    for name, parts in CASES.items():
        state = learn(path, folder, name, count, parts)
        if distributed.rank(1) == 0:
            torch.save(state, folder / f"{name}.pt")
