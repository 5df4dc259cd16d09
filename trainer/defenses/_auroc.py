"""How well scores tell poisoned clips from clean ones, with an interval that holds at the ends."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import rankdata

from trainer.defenses._outcome import Auroc
from trainer.proportion import Z_95

Values = NDArray[np.float64]

EDGE = 1e-9


def within(scores: Values, positive: NDArray[np.bool_], groups: Sequence[int]) -> Auroc | None:
    """The area under the ROC of pairs within a group, pooled over the groups that hold both kinds; None without any.

    The interval inverts a score test: it holds those areas θ for which |found − θ| ≤ 1.96 √V(θ), with V after Hanley
    and McNeil in Newcombe's form ("Confidence intervals for an effect size measure based on the Mann-Whitney statistic,
    part 2", 2006, method 5), summed over groups with the squares of their fractions of pairs. Like Wilson's for a
    proportion it stays open where every pair is in order, which a bootstrap does not.
    """
    belongs = np.asarray(groups)
    counts, found = [], []
    for group in np.unique(belongs):
        inside = belongs == group
        m = int(positive[inside].sum())
        n = int(inside.sum()) - m
        if m and n:
            ranks = rankdata(scores[inside])  # equal scores share a rank: half a pair
            counts.append((m, n))
            found.append((ranks[positive[inside]].sum() - m * (m + 1) / 2) / (m * n))
    if not counts:
        return None
    pairs = np.array([m * n for m, n in counts], dtype=float)
    weights = pairs / pairs.sum()
    value = float(weights @ np.array(found))
    low, high = _interval(value, counts, weights)
    return Auroc(value, sum(m for m, _ in counts), sum(n for _, n in counts), low, high)


def _interval(value: float, counts: Sequence[tuple[int, int]], weights: Values) -> tuple[float, float]:
    def variance(theta: float) -> float:
        total = 0.0
        for (m, n), weight in zip(counts, weights, strict=True):
            half = (m + n) / 2 - 1
            spread = 1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))
            total += weight**2 * theta * (1 - theta) * spread / (m * n)
        return total

    def outside(theta: float) -> float:
        return (value - theta) ** 2 - Z_95**2 * variance(theta)

    # from the found area, where the test cannot reject, to where it must: at both ends the variance is zero
    low = 0.0 if value < EDGE else brentq(outside, 0.0, min(value, 1 - EDGE))
    high = 1.0 if value > 1 - EDGE else brentq(outside, max(value, EDGE), 1.0)
    return float(low), float(high)
