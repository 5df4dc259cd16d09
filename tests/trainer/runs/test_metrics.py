"""Scores by hand."""

from __future__ import annotations

from trainer.manifest import Sample
from trainer.runs import metrics
from trainer.runs.metrics import Prediction


def predicted(identity: str, split: str, true_label: int, prediction: int) -> Prediction:
    return Prediction(identity, split, 0, true_label, prediction, (0.0, 0.0, 0.0))


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


def test_scores_by_hand() -> None:
    scores = metrics.scores_of(TOY, target=0)
    rates = {name: getattr(scores, name) for name in scores.__struct_fields__}
    assert {name: (rate.value, rate.n) for name, rate in rates.items()} == {
        "cda": (2 / 4, 4),
        "asr": (2 / 3, 3),
        "asr_all": (3 / 4, 4),
        "false_target": (1 / 3, 3),
        "sham_asr": (1 / 2, 2),
        "ra": (1 / 3, 3),
    }


def test_other_target() -> None:
    scores = metrics.scores_of(TOY, target=1)
    assert scores.asr is not None
    assert scores.asr.value == 0
    assert scores.asr.n == 2
    assert scores.false_target is not None
    assert scores.false_target.value == 1 / 2


def test_missing_splits_are_null() -> None:
    scores = metrics.scores_of(TOY[:4], target=None)
    assert scores.cda is not None
    assert [scores.asr, scores.asr_all, scores.false_target, scores.sham_asr, scores.ra] == [None] * 5
    assert metrics.scores_of(TOY[:4], target=0).asr is None


def test_repeated_clips_are_no_new_evidence() -> None:
    twice = metrics.scores_of(TOY + TOY, target=0).asr
    once = metrics.scores_of(TOY, target=0).asr
    assert twice is not None
    assert once is not None
    assert twice.n == 6
    assert (twice.value, twice.low, twice.high) == (once.value, once.low, once.high)


def test_per_class() -> None:
    rates = metrics.per_class(TOY, ["x", "y", "z"])
    assert {name: rate and (rate.value, rate.n) for name, rate in rates.items()} == {
        "x": (1, 1),
        "y": (1 / 2, 2),
        "z": (0, 1),
    }


def test_equal_scores_give_the_first_class() -> None:
    sample = Sample("a", "a.mp4", "test", 0, 1, 5)
    assert metrics.predict(sample, [0.2, 0.4, 0.4]) == Prediction("a", "test", 0, 1, 1, (0.2, 0.4, 0.4))
