"""Presets: their digests notice what changes a training, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trainer import models
from trainer.presets.geometry import Normalisation

DIGESTS = [
    ("audio", "paper", "4105480cef0d", "4105480cef0d"),
    ("audio", "mini", "209cd75981f3", "209cd75981f3"),
    ("i3d", "paper", "8e8e76ddc8aa", "8e8e76ddc8aa"),
    ("i3d", "paper-8x8", "a42881e65e7f", "a42881e65e7f"),
    ("i3d", "mini", "5f0df4c0abb0", "f8dc5f18d7af"),
    ("slowfast", "paper", "ecbded109c07", "ecbded109c07"),
    ("slowfast", "paper-8x8", "9a9a7734b4b9", "9a9a7734b4b9"),
    ("slowfast", "mini", "bf2698b6ee7b", "55c2628d9134"),
    ("tsm", "paper", "97093fa8224c", "97093fa8224c"),
    ("tsm", "mini", "99c0d3dee945", "3615bf99c00b"),
]
"""Model, preset, digest of a training from scratch and of one from weights, as finished runs have them."""


@pytest.mark.parametrize(("model", "name", "scratch", "weights"), DIGESTS)
def test_runs_of_older_versions_are_still_of_these_presets(model: str, name: str, scratch: str, weights: str) -> None:
    preset = models.preset_of(model, name)
    assert (preset.digest(weights=False), preset.digest(weights=True)) == (scratch, weights)


def test_every_edit_gives_another_digest() -> None:
    preset = models.preset_of("slowfast", "mini")
    options, normalisation = preset.options, preset.normalisation
    edited = [
        preset,
        replace(preset, options=replace(options, width=8)),  # type: ignore[call-arg]
        replace(preset, options=replace(options, alpha=1)),  # type: ignore[call-arg]
        replace(preset, options=replace(options, fusion_norm=False)),  # type: ignore[call-arg]
        replace(preset, normalisation=Normalisation(normalisation.mean, (1.0,) * 3)),
        replace(preset, short_side=97),
        replace(preset, recipe=replace(preset.recipe, lr=1.0)),
    ]
    assert len({p.digest(weights=False) for p in edited}) == len(edited)
    assert preset.digest(weights=True) == edited[-1].digest(weights=True)
