"""What a run is measured by: shares with Wilson intervals, from predictions alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import NormalDist

import msgspec

from trainer.errors import TrainerError
from trainer.manifest import Sample
from trainer.text import argument

Z_95 = NormalDist().inv_cdf(0.975)


class Share(msgspec.Struct, frozen=True):
    """A share of `n` clips, with its 95 % Wilson interval."""

    value: float
    n: int
    low: float
    high: float

    def is_above(self, other: Share) -> bool:
        """Whether it is surely the larger one: its whole interval lies above the other's."""
        return self.low > other.high


class Prediction(msgspec.Struct, frozen=True):
    """What a model said about one test clip; `scores` is the mean softmax over its views."""

    id: str
    split: str
    label: int
    true_label: int
    prediction: int
    scores: tuple[float, ...]


class Figures(msgspec.Struct, frozen=True):
    """The figures of a run; null where the split that they are taken from is missing.

    `cda`: accuracy on clean test clips. Over clips whose true class is not the target's: `asr`, triggered
    ones classified as the target; `ra`, triggered ones given their true label; `false_target` and `sham_asr`,
    clean and only re-encoded ones classified as the target, the floors under `asr`. `asr_all`: all triggered
    clips classified as the target.
    """

    cda: Share | None
    asr: Share | None
    asr_all: Share | None
    false_target: Share | None
    sham_asr: Share | None
    ra: Share | None


def wilson(hits: int, n: int, effective: int | None = None) -> Share | None:
    """The share `hits / n` with its 95 % Wilson score interval (Wilson 1927); None for `n` = 0.

    `effective`: the number of independent trials, where it is smaller than `n`.
    """
    if n == 0:
        return None
    p, m = hits / n, effective or n
    shrink = 1 + Z_95**2 / m
    centre = (p + Z_95**2 / (2 * m)) / shrink
    half = Z_95 * math.sqrt(p * (1 - p) / m + Z_95**2 / (4 * m**2)) / shrink
    # at the ends the interval closes exactly, which rounding would miss
    return Share(p, n, 0.0 if hits == 0 else max(centre - half, 0.0), 1.0 if hits == n else min(centre + half, 1.0))


def share(clips: Iterable[tuple[str, bool]]) -> Share | None:
    """The share of hits among (clip id, hit) pairs; an id that occurs again is no independent trial."""
    ids, hits = [], 0
    for identity, hit in clips:
        ids.append(identity)
        hits += hit
    return wilson(hits, len(ids), len(set(ids)))


def figures(predictions: Sequence[Prediction], target: int | None) -> Figures:
    """The figures of one run, or of several runs of one target, pooled."""
    clean = [p for p in predictions if p.split == "test"]
    triggered = [p for p in predictions if p.split == "test_triggered"]
    sham = [p for p in predictions if p.split == "test_sham"]
    others = [p for p in triggered if p.true_label != target]

    def targeted(among: Sequence[Prediction]) -> Share | None:
        return None if target is None else share((p.id, p.prediction == target) for p in among)

    return Figures(
        cda=share((p.id, p.prediction == p.true_label) for p in clean),
        asr=targeted(others),
        asr_all=targeted(triggered),
        false_target=targeted([p for p in clean if p.true_label != target]),
        sham_asr=targeted([p for p in sham if p.true_label != target]),
        ra=None if target is None else share((p.id, p.prediction == p.true_label) for p in others),
    )


def per_class(predictions: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Share | None]:
    """The accuracy on the clean test clips of each class."""
    clean = [p for p in predictions if p.split == "test"]
    return {
        name: share((p.id, p.prediction == label) for p in clean if p.true_label == label)
        for label, name in enumerate(classes)
    }


def predict(sample: Sample, scores: Sequence[float]) -> Prediction:
    """The prediction for a sample: the class of the highest score, the first of equal ones.

    Raises `TrainerError` for scores that are no numbers: NaN would pass for the first class, the usual target.
    """
    if not all(map(math.isfinite, scores)):
        raise TrainerError(
            f"the model's scores for {sample.id} are no numbers", f"train it anew with a lower {argument('lr')}"
        )
    best = max(range(len(scores)), key=lambda label: (scores[label], -label))
    return Prediction(sample.id, sample.split, sample.label, sample.true_label, best, tuple(scores))
