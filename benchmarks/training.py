"""A training as it is, beside one whose batches lie ready in memory; and tests in thirty views, beside bare forwards.

Usage: python -m benchmarks.training [--data FOLDER] [--rounds 5] [--only step views]; exit code 1 where a bar
is missed.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor
from torch.utils.data import Dataset

from benchmarks.copies import clean, source
from benchmarks.measuring import Asked, Figure, command, ratios, seconds, taking_turns
from trainer import models
from trainer.data import training_set
from trainer.data.loader import Key
from trainer.data.training_set import Reading, Source
from trainer.evaluation import inference
from trainer.manifest import Manifest
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.preset import Preset
from trainer.presets.sampling import parse_views
from trainer.progress import Progress
from trainer.training.fit import settings_of
from trainer.training.loop import Group, train
from trainer.training.options import FitOptions

MODEL, STEP, VIEWS = "i3d", 0.95, 0.9
TESTED = 16


class Ready(Dataset[tuple[Tensor, int]]):
    """Training clips that were read beforehand, whatever the epoch."""

    def __init__(self, read: Source) -> None:
        self.items = [read.clips[0, k] for k in range(read.count)]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        return self.items[key[1]]


def figures(asked: Asked) -> Iterator[Figure]:
    """The two figures of a victim."""
    made = clean(asked, source(asked))
    preset = models.preset_of(MODEL, "mini")
    if asked.wants("step"):
        yield step(made, preset, asked)
    if asked.wants("views"):
        yield views(made, preset, asked)


def step(made: Manifest, preset: Preset, asked: Asked) -> Figure:
    """An epoch with clips decoded once and cropped again, beside one of ready clips."""
    quiet = Progress()
    quiet.console.quiet = True
    real = training_set.training(made, preset, 0, Reading(cache="ram"), quiet)
    ready = dataclasses.replace(real, clips=Ready(real), workers=0)
    asked_for = FitOptions(made.path, MODEL, "mini", epochs=1)
    settings = settings_of(asked_for, made, preset, preset.recipe, "none")

    def epoch(read: Source) -> float:
        torch.manual_seed(0)
        folder = asked.folder / "run"
        try:
            return seconds(lambda: train(model(made, preset), read, preset.recipe, settings, Group(), folder, quiet))
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    taken = taking_turns({"real": partial(epoch, real), "ready": partial(epoch, ready)}, asked.rounds)
    return Figure("training step with real loading ÷ with data in memory", STEP, ratios(taken["ready"], taken["real"]))


def views(made: Manifest, preset: Preset, asked: Asked) -> Figure:
    """Clips tested in 10 × 3 views, beside thirty forwards of pictures that lie in memory."""
    samples, wanted = made.split("test")[:TESTED], parse_views("10x3", preset.views)
    victim = model(made, preset)
    pictures = list(inference.read(victim, made, samples, preset, wanted))
    taken = taking_turns(
        {
            "tested": lambda: seconds(lambda: inference.observe(victim, made, samples, preset, wanted)),
            "bare": lambda: seconds(lambda: [inference.forward_views(victim, part) for part in pictures]),
        },
        asked.rounds,
    )
    return Figure("`evaluate --views 10x3` ÷ 30 bare forwards", VIEWS, ratios(taken["bare"], taken["tested"]))


def model(made: Manifest, preset: Preset) -> Victim:
    """A victim that has learned nothing."""
    return weights.to_channels_last(models.find(MODEL).from_preset(preset, len(made.classes), preset.recipe.dropout))


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "training"))
