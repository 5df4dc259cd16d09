"""Intervals from published tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.proportion import Proportion, hit_rate, wilson


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [
        # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (29, 29, 0.8830, 1.0),
    ],
)
def test_wilson_against_newcombe(hits: int, n: int, low: float, high: float) -> None:
    rate = wilson(hits, n)
    assert rate is not None
    assert (round(rate.low, 4), round(rate.high, 4)) == (low, high)
    assert rate.value == hits / n


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_value_and_mirrors(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    rate, other = wilson(hits, n), wilson(n - hits, n)
    assert rate is not None
    assert other is not None
    assert 0 <= rate.low <= rate.value <= rate.high <= 1
    assert rate.low == pytest.approx(1 - other.high)


def test_nothing_has_no_proportion() -> None:
    assert wilson(0, 0) is None


def test_a_clip_that_occurs_again_is_no_independent_trial() -> None:
    once, twice = hit_rate([("a", True), ("b", False)]), hit_rate([("a", True), ("b", False)] * 2)
    assert once is not None
    assert twice == Proportion(0.5, 4, once.low, once.high)


def test_one_lies_above_another_where_their_intervals_do_not_meet() -> None:
    low = Proportion(0.1, 40, 0.05, 0.2)
    assert Proportion(0.9, 40, 0.8, 0.95).is_above(low)
    assert not Proportion(0.3, 40, 0.2, 0.4).is_above(low)
