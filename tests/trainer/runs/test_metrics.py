"""Figures by hand and intervals from published tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.manifest import Sample
from trainer.runs import metrics
from trainer.runs.metrics import Prediction, wilson


def predicted(identity: str, split: str, true_label: int, prediction: int) -> Prediction:
    return Prediction(identity, split, 0, true_label, prediction, (0.0, 0.0, 0.0))


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
    share = wilson(hits, n)
    assert share is not None
    assert (round(share.low, 4), round(share.high, 4)) == (low, high)
    assert share.value == hits / n


@given(st.integers(1, 500), st.data())
def test_wilson_holds_its_value_and_mirrors(n: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, n))
    share, other = wilson(hits, n), wilson(n - hits, n)
    assert share is not None
    assert other is not None
    assert 0 <= share.low <= share.value <= share.high <= 1
    assert share.low == pytest.approx(1 - other.high)


def test_nothing_has_no_share() -> None:
    assert wilson(0, 0) is None


TOY = [
    predicted("a", "test", 0, 0),
    predicted("b", "test", 1, 0),  # a false target
    predicted("c", "test", 1, 1),
    predicted("d", "test", 2, 1),
    predicted("test_triggered/a", "test_triggered", 0, 0),  # of the target class: counts in asr_all alone
    predicted("test_triggered/b", "test_triggered", 1, 0),
    predicted("test_triggered/c", "test_triggered", 1, 0),
    predicted("test_triggered/d", "test_triggered", 2, 2),  # withstands
    predicted("test_sham/b", "test_sham", 1, 1),
    predicted("test_sham/c", "test_sham", 1, 0),
]


def test_figures_by_hand() -> None:
    figures = metrics.figures(TOY, target=0)
    shares = {name: getattr(figures, name) for name in figures.__struct_fields__}
    assert {name: (share.value, share.n) for name, share in shares.items()} == {
        "cda": (2 / 4, 4),
        "asr": (2 / 3, 3),
        "asr_all": (3 / 4, 4),
        "false_target": (1 / 3, 3),
        "sham_asr": (1 / 2, 2),
        "ra": (1 / 3, 3),
    }


def test_other_target() -> None:
    figures = metrics.figures(TOY, target=1)
    assert figures.asr is not None
    assert figures.asr.value == 0
    assert figures.asr.n == 2
    assert figures.false_target is not None
    assert figures.false_target.value == 1 / 2


def test_missing_splits_are_null() -> None:
    figures = metrics.figures(TOY[:4], target=None)
    assert figures.cda is not None
    assert [figures.asr, figures.asr_all, figures.false_target, figures.sham_asr, figures.ra] == [None] * 5
    assert metrics.figures(TOY[:4], target=0).asr is None


def test_repeated_clips_are_no_new_evidence() -> None:
    twice = metrics.figures(TOY + TOY, target=0).asr
    once = metrics.figures(TOY, target=0).asr
    assert twice is not None
    assert once is not None
    assert twice.n == 6
    assert (twice.value, twice.low, twice.high) == (once.value, once.low, once.high)


def test_per_class() -> None:
    shares = metrics.per_class(TOY, ["x", "y", "z"])
    assert {name: share and (share.value, share.n) for name, share in shares.items()} == {
        "x": (1, 1),
        "y": (1 / 2, 2),
        "z": (0, 1),
    }


def test_equal_scores_give_the_first_class() -> None:
    sample = Sample("a", "a.mp4", "test", 0, 1, 5)
    assert metrics.predict(sample, [0.2, 0.4, 0.4]) == Prediction("a", "test", 0, 1, 1, (0.2, 0.4, 0.4))
