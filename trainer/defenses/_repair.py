"""Defenses that change the model or its inputs, and are measured by what the victim says afterwards."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from matplotlib.figure import Figure

from trainer import plots
from trainer.defenses._base import Defense, Result, param
from trainer.defenses._case import Case, Clip, Defender
from trainer.defenses._outcome import Point
from trainer.evaluation.inference import Array
from trainer.manifest import TRIGGERED
from trainer.models._base import Weights
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.runs import metrics
from trainer.runs.metrics import Scores


@dataclass(frozen=True)
class Step:
    """The victim under a defense of some strength: its scores `(N, C)` of the inputs, and of the clean clips."""

    strength: float
    scores: Array
    clean: Array


@dataclass(frozen=True)
class Repaired:
    """The victim under growing strength, the first step undefended.

    `rule`: what is done, in a sentence; `strength`: what that is, with its unit; `chosen`: the step that the defender
    would take. `further`: scores of the inputs after more than that, by name; `weights`: the model that is kept.
    """

    rule: str
    strength: str
    steps: list[Step]
    chosen: int
    further: dict[str, Array] = field(default_factory=dict)
    weights: Weights | None = None


@dataclass(frozen=True)
class Repair(Defense):
    """A defense of some strength, as far as the accuracy on the defender's clean clips allows."""

    max_drop: float = param(
        5.0, "loss of accuracy on the clean set that is put up with", unit="points", low=0.0, high=100.0
    )

    @property
    def limit(self) -> int | None:
        """The number of inputs of each kind that are tried; all of them without."""
        return None

    @abstractmethod
    def repair(self, defender: Defender) -> Repaired:
        """Classify `defender.judged` under the defense."""

    def result(self, case: Case, progress: Progress) -> Result:
        defender = case.defender(["test", TRIGGERED], self.limit, progress)
        repaired = self.repair(defender)
        clips = defender.judged
        found = [figures(case, clips, step.scores) for step in repaired.steps]
        curve = [Point(s.strength, f.cda, f.asr, f.ra) for s, f in zip(repaired.steps, found, strict=True)]
        named = {"undefended": found[0], "defended": found[repaired.chosen]}
        named |= {name: figures(case, clips, scores) for name, scores in repaired.further.items()}
        rates = {f"{key.upper()}, {name}": getattr(f, key) for name, f in named.items() for key in ("cda", "asr", "ra")}
        return Result(
            rule=repaired.rule,
            plot=_curves(curve, repaired),
            figures=rates,
            strength=repaired.strength,
            curve=curve,
            repaired=repaired.weights,
        )

    def choose(self, steps: Sequence[Step], defender: Defender) -> int:
        """The last step before accuracy on the clean set has fallen by more than `max_drop` points."""
        labels = defender.labels(defender.clean)
        right = [int((step.clean.argmax(axis=1) == labels).sum()) for step in steps]
        least = right[0] - self.max_drop / 100 * len(labels) - 1e-9
        return next((k - 1 for k, count in enumerate(right) if count < least), len(steps) - 1)


def figures(case: Case, clips: Sequence[Clip], scores: Array) -> Scores:
    """CDA, ASR and RA of the inputs, from the scores `(N, C)` that they got."""
    predictions = [metrics.predict(case.truth[clip.id], row.tolist()) for clip, row in zip(clips, scores, strict=True)]
    return metrics.scores_of(predictions, case.target)


def _curves(curve: Sequence[Point], repaired: Repaired) -> Figure:
    figure, (axes,) = plots.sheet()
    lines = []
    for colour, name in enumerate(("cda", "asr", "ra")):
        rates: list[tuple[float, Proportion | None]] = [(point.strength, getattr(point, name)) for point in curve]
        counted = next((rate.n for _, rate in rates if rate is not None), None)
        if counted is not None:
            lines.append(plots.Line.through(f"{name.upper()} (n {counted})", rates, colour))
    plots.curves(axes, lines, repaired.strength, "fraction of clips")
    chosen = curve[repaired.chosen].strength
    axes.axvline(chosen, color=plots.INK, linestyle=":", linewidth=1)
    if curve[-1].strength < curve[0].strength:  # such as bit rates: stronger is to the right all the same
        axes.invert_xaxis()
    return figure
