"""Learning rates by hand, and what the optimizers decay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer import models
from trainer.models._base import Victim
from trainer.models.i3d import I3D
from trainer.models.tsm import TSM
from trainer.presets.preset import Preset, Recipe
from trainer.training.lightning_module import build_optimizer, rate

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


def thin(preset: Preset, width: int) -> Preset:
    return replace(preset, options=replace(preset.options, width=width))  # type: ignore[call-arg]


def groups(model: Victim, recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Parameter's name → (learning rate, decay), as the optimizer has them."""
    names = {id(p): name for name, p in model.named_parameters()}
    made = build_optimizer(model, recipe).param_groups
    return {names[id(p)]: (g["lr"], g["weight_decay"]) for g in made for p in g["params"]}


def test_adamw_spares_norms_and_biases() -> None:
    model = I3D.from_preset(thin(MINI, 4), 2)
    found = groups(model, MINI.recipe)
    assert found == {
        name: (MINI.recipe.lr, MINI.recipe.weight_decay if p.ndim > 1 else 0.0) for name, p in model.named_parameters()
    }


def test_sgd_decays_everything() -> None:
    model = I3D.from_preset(thin(MINI, 4), 2)
    assert set(groups(model, PAPER.recipe).values()) == {(0.005, 1e-4)}


def test_the_head_of_tsm_learns_five_times_as_fast() -> None:
    """MMAction2's groups: 5 × for the weight of the head, 10 × for its bias, which like norms is not decayed."""
    recipe = models.preset_of("tsm", "paper").recipe
    model = TSM.from_preset(thin(models.preset_of("tsm", "mini"), 8), 2)
    found = groups(model, recipe)
    assert found.pop("blocks.5.proj.weight") == (pytest.approx(0.0075), 1e-4)
    assert found.pop("blocks.5.proj.bias") == (pytest.approx(0.015), 0.0)
    assert {name: decay for name, (_, decay) in found.items()} == {
        name: 1e-4 if p.ndim > 1 else 0.0 for name, p in model.named_parameters() if name in found
    }
    assert {lr for lr, _ in found.values()} == {0.0015}


def test_epochs_follow_the_number_of_clips() -> None:
    recipe = replace(MINI.recipe, epochs=None, clips_seen=8000, min_epochs=8)
    assert recipe.epochs_for(80) == 100
    assert recipe.epochs_for(500) == 16
    assert recipe.epochs_for(9537) == 8
    assert PAPER.recipe.epochs_for(9537) == PAPER.recipe.epochs
