"""The area under the ROC: pairs within a group, ties, and an interval that holds as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.defenses import _auroc


def of(scores: list[float], positive: list[int], groups: list[int] | None = None) -> _auroc.Auroc | None:
    return _auroc.within(np.array(scores), np.array(positive, bool), groups or [0] * len(scores))


def test_pairs_are_counted_by_hand() -> None:
    found = of([1, 2, 3, 4], [0, 1, 0, 1])
    assert found is not None
    assert found.value == 0.75  # three of four pairs
    assert (found.positives, found.negatives) == (2, 2)
    tied = of([1, 1, 1, 1], [0, 1, 0, 1])
    assert tied is not None
    assert tied.value == 0.5


def test_pairs_across_groups_do_not_count() -> None:
    """The poisoned group's scores are higher as a whole, which would give 1 across groups."""
    found = of([0, 0, 9, 8, 7, 8], [0, 0, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1])
    assert found is not None
    assert found.value == (2 + 1.5) / 4
    assert (found.positives, found.negatives) == (2, 2)
    assert of([1, 2], [1, 0], [0, 1]) is None


def test_groups_are_weighed_by_their_pairs() -> None:
    found = of([2, 1, 1, 2, 2, 2], [1, 0, 1, 0, 0, 0], [0, 0, 1, 1, 1, 1])
    assert found is not None
    assert found.value == pytest.approx((1 + 0) / 4)


def test_the_interval_stays_open_at_the_ends() -> None:
    found = of([1, 1, 1, 2, 2, 2], [0, 0, 0, 1, 1, 1])
    assert found is not None
    assert (found.value, found.high) == (1.0, 1.0)
    # Newcombe's method 5 for 3 against 3: (1 − θ) = z² θ (1 + 2 ((1 − θ)/(2 − θ) + θ/(1 + θ))) / 9 at the low end
    theta = found.low
    spread = 1 + 2 * ((1 - theta) / (2 - theta) + theta / (1 + theta))
    assert 1 - theta == pytest.approx(1.959964**2 * theta * spread / 9, abs=1e-6)
    mirrored = of([2, 2, 2, 1, 1, 1], [0, 0, 0, 1, 1, 1])
    assert mirrored is not None
    assert (mirrored.low, mirrored.high) == (0.0, pytest.approx(1 - theta))


@pytest.mark.parametrize("shift", [0.0, 1.2])
def test_the_interval_holds_as_often_as_it_says(shift: float) -> None:
    """Normal scores, whose area is known: Φ(shift / √2); in two groups of unequal size."""
    from statistics import NormalDist

    true, rng, held = NormalDist().cdf(shift / 2**0.5), np.random.default_rng(0), 0
    positive = np.array([1] * 8 + [0] * 20 + [1] * 12 + [0] * 10, bool)
    groups = [0] * 28 + [1] * 22
    for _ in range(600):
        found = _auroc.within(rng.normal(size=50) + shift * positive, positive, groups)
        assert found is not None
        held += found.low <= true <= found.high
    assert 0.93 <= held / 600 <= 0.98
