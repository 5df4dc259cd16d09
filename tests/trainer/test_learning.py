"""Learning rates by hand, and what the optimizers decay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer import models
from trainer.learning import build_optimizer, rate
from trainer.models.i3d import I3D

MINI = models.preset_of("i3d", "mini")
PAPER = models.preset_of("i3d", "paper")


def test_cosine_after_warmup() -> None:
    recipe = replace(MINI.recipe, schedule="cosine", warmup=0.2)
    assert rate(0.1, recipe) == pytest.approx(0.5)
    assert rate(0.2, recipe) == pytest.approx(1)
    assert rate(0.6, recipe) == pytest.approx(0.5)
    assert rate(1.0, recipe) == pytest.approx(0)
    assert 0 < rate(0.0, recipe) < 0.01


def test_steps_at_forty_and_eighty_percent() -> None:
    recipe = replace(PAPER.recipe, schedule="steps")
    # the finetuning guide's steps 20 and 40 of 50 epochs
    assert [rate(epoch / 50, recipe) for epoch in (0, 19, 20, 39, 40, 49)] == [1, 1, 0.1, 0.1, 0.01, 0.01]


def test_adamw_spares_norms_and_biases() -> None:
    model = I3D(replace(MINI.geometry, width=4), 2)
    decayed, spared = build_optimizer(model, MINI.recipe).param_groups
    assert decayed["weight_decay"] == MINI.recipe.weight_decay
    assert spared["weight_decay"] == 0
    assert {p.ndim for p in spared["params"]} == {1}
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


def test_epochs_follow_the_number_of_clips() -> None:
    recipe = replace(MINI.recipe, epochs=None, clips_seen=8000, min_epochs=8)
    assert recipe.epochs_for(80) == 100
    assert recipe.epochs_for(500) == 16
    assert recipe.epochs_for(9537) == 8
    assert PAPER.recipe.epochs_for(9537) == PAPER.recipe.epochs
