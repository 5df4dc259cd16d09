"""Proportions of clips with Wilson intervals: what every rate of a victim or a defense is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import NormalDist

import msgspec

Z_95 = NormalDist().inv_cdf(0.975)


class Proportion(msgspec.Struct, frozen=True):
    """A proportion of `n` clips, 0 … 1, with its 95 % Wilson interval from `low` to `high`."""

    value: float
    n: int
    low: float
    high: float

    def is_above(self, other: Proportion) -> bool:
        """Whether it is surely the larger one: its whole interval lies above the other's."""
        return self.low > other.high


def wilson(hits: int, n: int, effective: int | None = None) -> Proportion | None:
    """The proportion `hits / n` with its 95 % Wilson score interval (Wilson 1927); None for `n` = 0.

    `effective`: the number of independent trials, where it is smaller than `n`.
    """
    if n == 0:
        return None
    p, m = hits / n, effective or n
    shrink = 1 + Z_95**2 / m
    centre = (p + Z_95**2 / (2 * m)) / shrink
    half = Z_95 * math.sqrt(p * (1 - p) / m + Z_95**2 / (4 * m**2)) / shrink
    # at the ends the interval closes exactly, which rounding would miss
    low = 0.0 if hits == 0 else max(centre - half, 0.0)
    high = 1.0 if hits == n else min(centre + half, 1.0)
    return Proportion(p, n, low, high)


def hit_rate(clips: Iterable[tuple[str, bool]]) -> Proportion | None:
    """The proportion of hits among (clip id, hit) pairs; an id that occurs again is no independent trial."""
    ids, hits = [], 0
    for identity, hit in clips:
        ids.append(identity)
        hits += hit
    return wilson(hits, len(ids), len(set(ids)))
