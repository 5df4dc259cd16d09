"""Activation clustering on features with a known plant: few poisoned, half, and most of a label."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.trainer.defenses.conftest import Plant, permuted
from trainer.defenses._case import Case
from trainer.defenses.activation_clustering import ActivationClustering
from trainer.errors import RunError
from trainer.progress import Progress

Planted = Callable[[Plant], Case]


@pytest.mark.parametrize("clean", [1, 3, 10])
@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_the_plant_is_found_whatever_its_share(planted: Planted, share: float, clean: int) -> None:
    result = ActivationClustering(factor=2.0).result(planted(Plant(share, clean=clean)), Progress())
    elimination, sacrifice = result.figures["elimination"], result.figures["sacrifice"]
    assert elimination is not None
    assert sacrifice is not None
    assert (elimination.value, elimination.n) == (1.0, round(40 * share))
    assert (sacrifice.value, sacrifice.n) == (0.0, 160 - round(40 * share))
    assert result.auroc is not None
    assert result.auroc.value == 1.0
    assert "1 of 4 labels (4 judged)" in result.rule


def test_nothing_is_flagged_without_a_plant(planted: Planted) -> None:
    result = ActivationClustering(factor=2.0).result(planted(Plant(0.0)), Progress())
    assert result.figures["elimination"] is None
    assert not any(s.flagged for s in result.scores)


@pytest.mark.parametrize("share", [0.1, 0.45, 0.8])
def test_flags_by_lot_are_not_found(planted: Planted, share: float) -> None:
    case = planted(Plant(share))
    found = [ActivationClustering().result(permuted(case, seed), Progress()).auroc for seed in range(6)]
    assert sum(a is not None and a.low <= 0.5 <= a.high for a in found) >= 5


def test_flags_without_a_plant_are_not_found(planted: Planted) -> None:
    result = ActivationClustering().result(planted(Plant(0.45, shift=0.0)), Progress())
    assert result.auroc is not None
    assert result.auroc.low <= 0.5 <= result.auroc.high


def test_labels_without_a_clean_clip_are_not_judged(planted: Planted) -> None:
    case = planted(Plant(0.45))
    case.clean[:] = [clip for clip in case.clean if clip.label != 0]
    result = ActivationClustering().result(case, Progress())
    assert "(3 judged)" in result.rule
    assert {s.score for s in result.scores if s.label == 0} == {0.0}


def test_a_run_without_training_clips_is_refused(planted: Planted) -> None:
    case = planted(Plant(0.1))
    case.clips["train"] = []
    with pytest.raises(RunError, match="no training clips to inspect"):
        ActivationClustering().result(case, Progress())
