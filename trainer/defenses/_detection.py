"""Defenses that give every clip a score: of training data, and of inputs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer import plots
from trainer.defenses import _auroc
from trainer.defenses._base import Defense, Result, param
from trainer.defenses._case import Case, Clip, Defender
from trainer.defenses._outcome import Score
from trainer.errors import RunError
from trainer.manifest import TRIGGERED
from trainer.progress import Progress
from trainer.proportion import Proportion, wilson
from trainer.runs import folder as runs


@dataclass(frozen=True)
class Verdict:
    """A value a clip `(N,)`, and which clips are flagged `(N,)`; with `falling`, low values are the suspicious ones.

    `rule`: the sentence that says how, `measure`: what the values are, `threshold`: where one value decides for all.
    """

    values: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    rule: str
    measure: str
    threshold: float | None = None
    falling: bool = False

    @property
    def scores(self) -> NDArray[np.float64]:
        """The higher, the more suspicious."""
        return -self.values if self.falling else self.values


class Inspection(Defense):
    """A defense that inspects training data with the labels that it came with."""

    @abstractmethod
    def inspect(self, defender: Defender) -> Verdict:
        """Judge `defender.judged`, label by label."""

    def result(self, case: Case, progress: Progress) -> Result:
        defender = case.defender(["train"], None, progress)
        clips = defender.judged
        if not clips:
            raise RunError(f"{case.metrics.manifest.name} has no training clips to inspect", "name another run")
        verdict = self.inspect(defender)
        poisoned = np.array([case.truth[clip.id].poisoned for clip in clips])
        labels = [clip.label for clip in clips]
        figures = {
            "elimination": rate_of(verdict.flagged[poisoned]),
            "sacrifice": rate_of(verdict.flagged[~poisoned]),
        }
        auroc = _auroc.within(verdict.scores, poisoned, labels)
        shown = np.isin(labels, np.unique(np.array(labels)[poisoned])) if poisoned.any() else np.ones(len(clips), bool)
        groups = {
            "clean, of the poisoned labels" if poisoned.any() else "clean": verdict.values[shown & ~poisoned],
            "poisoned": verdict.values[poisoned],
        }
        return Result(verdict.rule, _histogram(groups, verdict), figures, auroc, _scores(case, clips, verdict))


@dataclass(frozen=True)
class Screening(Defense):
    """A defense that screens inputs before the model's answer is taken."""

    max_clips: int = param(
        200, "inputs of each kind, clean and triggered, that are tried", unit="clips", low=1, high=10**6
    )

    @abstractmethod
    def screen(self, defender: Defender) -> Verdict:
        """Judge `defender.judged`, each input by itself."""

    def result(self, case: Case, progress: Progress) -> Result:
        defender = case.defender(["test", TRIGGERED], self.max_clips, progress)
        clips = defender.judged
        verdict = self.screen(defender)
        triggered = np.array([case.truth[clip.id].split == TRIGGERED for clip in clips])
        answers = {p.id: p.prediction for p in runs.read_predictions(case.folder / "predictions.csv")}
        fooled = triggered & np.array([answers.get(clip.id) == case.target for clip in clips])
        figures = {
            "detection": rate_of(verdict.flagged[triggered]),
            "detection, where the attack works": rate_of(verdict.flagged[fooled]),
            "false rejection": rate_of(verdict.flagged[~triggered]),
        }
        # of clips of other classes on both sides: a model may be surer of one class than of others, trigger or not
        alike = triggered | np.array([case.truth[clip.id].true_label != case.target for clip in clips])
        auroc = _auroc.within(verdict.scores[alike], triggered[alike], [0] * int(alike.sum()))
        groups = {"clean": verdict.values[~triggered], "triggered": verdict.values[triggered]}
        return Result(verdict.rule, _histogram(groups, verdict), figures, auroc, _scores(case, clips, verdict))


def rate_of(flags: NDArray[np.bool_]) -> Proportion | None:
    """How many are flagged, with Wilson's interval."""
    return wilson(int(flags.sum()), len(flags))


def _scores(case: Case, clips: Sequence[Clip], verdict: Verdict) -> list[Score]:
    rows = []
    for clip, score, flagged in zip(clips, verdict.scores, verdict.flagged, strict=True):
        truth = case.truth[clip.id]
        poisoned = truth.poisoned or truth.split == TRIGGERED
        rows.append(Score(clip.id, truth.split, truth.label, float(score), bool(flagged), poisoned))
    return rows


def _histogram(groups: dict[str, NDArray[np.float64]], verdict: Verdict) -> Figure:
    figure, (axes,) = plots.sheet()
    filled = {f"{name} (n {len(values)})": values.tolist() for name, values in groups.items() if len(values)}
    plots.histogram(axes, filled, verdict.measure, verdict.threshold)
    return figure
