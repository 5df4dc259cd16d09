"""Spectral signatures on features with a known plant, about either centre."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.trainer.defenses.conftest import Plant, permuted
from trainer.defenses._case import Case
from trainer.defenses.spectral_signatures import SpectralSignatures, projections
from trainer.progress import Progress

Planted = Callable[[Plant], Case]


def test_projections_by_hand() -> None:
    """Spread along (3, 4)/5: lengths 5 and −5 about the middle, and a step of 1 across, which is another direction."""
    features = np.array([[3.0, 4.0], [-3.0, -4.0], [0.8, -0.6], [-0.8, 0.6]])
    assert projections(features, np.zeros(2)) == pytest.approx([25, 25, 0, 0])


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_the_plant_is_found_about_the_clean_centre(planted: Planted, share: float) -> None:
    result = SpectralSignatures().result(planted(Plant(share)), Progress())
    assert result.auroc is not None
    assert result.auroc.value >= 0.99


def test_the_published_centre_loses_the_plant_in_a_label_of_halves(planted: Planted) -> None:
    found = {
        share: SpectralSignatures(centre="mean").result(planted(Plant(share)), Progress()).auroc
        for share in (0.1, 0.5, 0.8)
    }
    assert all(found.values())
    values = {share: auroc.value for share, auroc in found.items() if auroc is not None}
    assert values[0.1] >= 0.99
    assert abs(values[0.5] - 0.5) < 0.25
    assert values[0.8] <= 0.01  # the clean ones are the outliers


def test_so_many_are_removed_of_each_label(planted: Planted) -> None:
    result = SpectralSignatures(eps=0.1).result(planted(Plant(0.1)), Progress())
    assert [sum(s.flagged for s in result.scores if s.label == label) for label in range(4)] == [6] * 4
    elimination, sacrifice = result.figures["elimination"], result.figures["sacrifice"]
    assert elimination is not None
    assert sacrifice is not None
    assert elimination.value == 1.0
    assert sacrifice.value == (6 * 4 - 4) / 156
    assert "15.0% of clips" in result.rule


def test_flags_by_lot_and_no_plant_are_not_found(planted: Planted) -> None:
    case = planted(Plant(0.45))
    found = [SpectralSignatures().result(permuted(case, seed), Progress()).auroc for seed in range(6)]
    assert sum(a is not None and a.low <= 0.5 <= a.high for a in found) >= 5
    without = SpectralSignatures().result(planted(Plant(0.45, shift=0.0)), Progress()).auroc
    assert without is not None
    assert without.low <= 0.5 <= without.high
