"""What a run is measured by: its scores, from predictions alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import msgspec

from trainer.errors import TrainerError
from trainer.manifest import Sample
from trainer.proportion import Proportion, hit_rate
from trainer.text import argument


class Prediction(msgspec.Struct, frozen=True):
    """What a model said about one test clip; `scores` is the mean softmax over its views."""

    id: str
    split: str
    label: int
    true_label: int
    prediction: int
    scores: tuple[float, ...]


class Scores(msgspec.Struct, frozen=True):
    """The scores of a run; null where the split that they are taken from is missing.

    `cda`: accuracy on clean test clips. Over clips whose true class is not the target's: `asr`, triggered
    ones classified as the target; `ra`, triggered ones given their true label; `false_target` and `sham_asr`,
    clean and only re-encoded ones classified as the target, the floors under `asr`. `asr_all`: all triggered
    clips classified as the target.
    """

    cda: Proportion | None
    asr: Proportion | None
    asr_all: Proportion | None
    false_target: Proportion | None
    sham_asr: Proportion | None
    ra: Proportion | None


def scores_of(predictions: Sequence[Prediction], target: int | None) -> Scores:
    """The scores of one run, or of several runs of one target, pooled."""
    clean = [p for p in predictions if p.split == "test"]
    triggered = [p for p in predictions if p.split == "test_triggered"]
    sham = [p for p in predictions if p.split == "test_sham"]
    others = [p for p in triggered if p.true_label != target]

    def targeted(among: Sequence[Prediction]) -> Proportion | None:
        return None if target is None else hit_rate((p.id, p.prediction == target) for p in among)

    return Scores(
        cda=hit_rate((p.id, p.prediction == p.true_label) for p in clean),
        asr=targeted(others),
        asr_all=targeted(triggered),
        false_target=targeted([p for p in clean if p.true_label != target]),
        sham_asr=targeted([p for p in sham if p.true_label != target]),
        ra=None if target is None else hit_rate((p.id, p.prediction == p.true_label) for p in others),
    )


def per_class(predictions: Sequence[Prediction], classes: Sequence[str]) -> dict[str, Proportion | None]:
    """The accuracy on the clean test clips of each class."""
    clean = [p for p in predictions if p.split == "test"]
    return {
        name: hit_rate((p.id, p.prediction == label) for p in clean if p.true_label == label)
        for label, name in enumerate(classes)
    }


def predict(sample: Sample, scores: Sequence[float]) -> Prediction:
    """The prediction for a sample: the class of the highest score, the first of equal ones.

    Raises `TrainerError` for scores that are no numbers: NaN would pass for the first class, the usual target.
    """
    if not all(map(math.isfinite, scores)):
        raise TrainerError(
            f"the model's scores for {sample.id} are no numbers", f"train it again with a lower {argument('lr')}"
        )
    best = max(range(len(scores)), key=lambda label: (scores[label], -label))
    return Prediction(sample.id, sample.split, sample.label, sample.true_label, best, tuple(scores))


NAMES = {
    "cda": "CDA",
    "asr": "ASR",
    "asr_all": "ASR (all)",
    "ra": "RA",
    "false_target": "false target",
    "sham_asr": "sham ASR",
}
"""The figures in the order in which they are shown; the last two are the floors under ASR."""
FLOORS = ("false_target", "sham_asr")
"""The floors under ASR that a run has by itself."""


def below_floors(figures: Scores, more: Mapping[str, Proportion | None] | None = None) -> str | None:
    """A sentence where ASR is not surely above the fraction of clips that carry no trigger, or find no backdoor.

    `more`: floors besides the run's own, by the name that the sentence gives them.
    """
    asr = figures.asr
    floors = {NAMES[field]: getattr(figures, field) for field in FLOORS} | dict(more or {})
    reached = {name: floor for name, floor in floors.items() if asr and floor and not asr.is_above(floor)}
    if asr is None or not reached:
        return None
    *others, last = (f"{name} ({floor.low:.3f} … {floor.high:.3f})" for name, floor in reached.items())
    named = f"{', '.join(others)} and {last}" if others else last
    return (
        f"The interval of ASR, {asr.low:.3f} … {asr.high:.3f}, does not lie above that of {named}. Clips may go to the "
        "target as often for other reasons: this run is inconclusive about the attack."
    )
