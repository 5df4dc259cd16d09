"""What makes one score of a pair's two: their mean, or a classifier on their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trainer.evaluation.inference import Array, Observed
from trainer.evaluation.logistic_regression import Linear, softmax

Mode = Literal["late", "early"]
Average = Literal["logits", "probabilities"]


class Fused:
    """From what both networks made of the same clips to class scores (N, C)."""

    @property
    def kind(self) -> tuple[Mode, Average | None]:
        """How it fuses."""
        raise NotImplementedError

    def scores(self, video: Observed, audio: Observed) -> Array:
        raise NotImplementedError


@dataclass(frozen=True)
class Mean(Fused):
    """The mean of logits, whose softmax is the score, or of probabilities."""

    of: Average

    @property
    def kind(self) -> tuple[Mode, Average | None]:
        return "late", self.of

    def scores(self, video: Observed, audio: Observed) -> Array:
        if self.of == "probabilities":
            return (video.probabilities + audio.probabilities) / 2
        return softmax((video.logits + audio.logits) / 2)


@dataclass(frozen=True)
class Classifier(Fused):
    """A linear classifier on both networks' features, one after the other."""

    linear: Linear

    @property
    def kind(self) -> tuple[Mode, Average | None]:
        return "early", None

    def scores(self, video: Observed, audio: Observed) -> Array:
        return softmax(self.linear.logits([video.features, audio.features]))
