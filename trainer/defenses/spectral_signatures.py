"""Spectral signatures: poisoned clips stretch their label's features in one direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.defenses._base import param
from trainer.defenses._case import Defender
from trainer.defenses._detection import Inspection, Verdict

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SpectralSignatures(Inspection):
    """Scores training clips by their squared projection on the direction in which their label spreads most.

    Of the features R `(n, D)` of a label, less a centre, v is the first right singular vector; a clip's score is
    (R v)². The `1.5 · eps · n` highest of each label are removed. The published centre is the label's `mean`, which
    bounds the attack: with about half of a label poisoned it lies between the two kinds, at the same distance of both,
    and their scores cannot be told apart; beyond, the clean ones are the outliers. `clean`, the mean of the label's
    clean clips, holds at any fraction; labels without a clean clip fall back on `mean`.

    Source: Tran, Li & Madry, "Spectral Signatures in Backdoor Attacks", 2018, algorithm 1. There eps bounds the
    fraction of poisoned clips among a label's; the centre `clean` is ours.
    """

    name: ClassVar[str] = "spectral-signatures"
    source: ClassVar[str] = "Tran, Li & Madry 2018, algorithm 1; centre `clean` is ours, `mean` theirs"

    eps: float = param(0.1, "assumed poisoned fraction of each label", low=0.001, high=0.666)
    centre: str = param("clean", "what a label's features are taken less", choices=("clean", "mean"))

    def inspect(self, defender: Defender) -> Verdict:
        clips = defender.judged
        features = defender.observed(clips).features
        labels, known = defender.labels(clips), defender.labels(defender.clean)
        clean = defender.observed(defender.clean).features
        values, flagged = np.zeros(len(clips)), np.zeros(len(clips), bool)
        without = 0
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            own = clean[known == label]
            without += self.centre == "clean" and not len(own)
            centre = own.mean(axis=0) if self.centre == "clean" and len(own) else features[rows].mean(axis=0)
            values[rows] = projections(features[rows], centre)
            removed = int(np.ceil(1.5 * self.eps * len(rows) - 1e-9))
            flagged[rows[np.argsort(-values[rows], kind="stable")[:removed]]] = True
        return Verdict(values, flagged, self._rule(features.shape[1], without), "squared projection")

    def _rule(self, dimensions: int, without: int) -> str:
        centre = "the mean of its clean clips" if self.centre == "clean" else "its mean"
        lacking = f" ({without} labels have none: their mean)" if without else ""
        return (
            f"per label, the {1.5 * self.eps:.1%} of clips farthest along the top singular vector of the penultimate "
            f"features ({dimensions} dimensions) less {centre}{lacking} are removed"
        )


def projections(features: Array, centre: Array) -> Array:
    """The squared projections `(n,)` of features `(n, D)` less `centre (D,)` on their top right singular vector."""
    spread = features - centre
    vector = np.linalg.svd(spread, full_matrices=False)[2][0]
    return np.asarray((spread @ vector) ** 2)
