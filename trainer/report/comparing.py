"""Runs beside each other: each attack's baseline, its floor in the clean model, and seeds or folds pooled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.errors import RunError
from trainer.evaluation import compare
from trainer.evaluation.compare import Difference
from trainer.proportion import Proportion
from trainer.report.reading import Run
from trainer.runs import folder as runs
from trainer.runs.metrics import Scores, below_floors

CLEAN_ASR = "ASR of the clean model"
"""What the page calls the floor that a baseline gives."""


@dataclass(frozen=True)
class Beside:
    """An attacked run beside its baseline: `difference` is its CDA minus the baseline's, on the same clean clips.

    `asr_clean_model`: the baseline's ASR on the attack's triggered clips, None where that was not measured.
    """

    baseline: Run
    difference: Difference
    asr_clean_model: Proportion | None


@dataclass(frozen=True)
class Group:
    """Runs of one attack and victim over several seeds or folds, pooled."""

    attack: str
    model: str
    members: list[Run]
    figures: Scores
    difference: Difference | None


def beside(run: Run, given: Sequence[Run]) -> Beside | None:
    """The baseline among the given runs: clean, of the same model, tested on the same clean clips."""
    if run.is_clean:
        return None
    model = (run.metrics.model, run.metrics.preset)
    candidates = [r for r in given if r.is_clean and (r.metrics.model, r.metrics.preset) == model]
    for baseline in sorted(candidates, key=lambda r: r.metrics.seed != run.metrics.seed):
        try:
            found = compare.compare([run.folder], [baseline.folder])
        except RunError:  # other clips
            continue
        return Beside(baseline, found.cda_difference, _floor(baseline, run))
    return None


def not_above_floors(run: Run, pair: Beside | None) -> list[str]:
    """A sentence where a run's ASR is not surely above its floors, that of the clean model among them."""
    caution = below_floors(run.metrics, {CLEAN_ASR: pair.asr_clean_model if pair else None})
    return [] if caution is None else [caution]


def groups(given: Sequence[Run], pairs: dict[str, Beside]) -> list[Group]:
    """Runs that differ in seed or fold alone, where there are at least two; `pairs` by folder."""
    alike: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in given:
        key = (
            run.attack,
            run.metrics.model,
            run.metrics.preset,
            run.metrics.weights,
            str(run.metrics.target),
            _asked(run),
            run.metrics.views,
        )
        alike[key].append(run)
    found = []
    for members in alike.values():
        distinct = {(run.metrics.manifest.sha256, run.metrics.seed) for run in members}
        if len(members) < 2 or len(distinct) < len(members) or members[0].attack == "unknown":
            continue
        paired = [pairs[str(run.folder)] for run in members if str(run.folder) in pairs]
        difference = None
        if len(paired) == len(members):
            folders = [run.folder for run in members]
            difference = compare.compare(folders, [p.baseline.folder for p in paired]).cda_difference
        pooled = compare.pool([run.folder for run in members]).figures
        model = f"{members[0].metrics.model} {members[0].metrics.preset}"
        found.append(Group(members[0].attack, model, members, pooled, difference))
    return found


def _asked(run: Run) -> str:
    """What was asked of its attacks, on which classes and in which form: all but seed and split."""
    known = [s.details for s in run.sources if s.details is not None]
    return repr(
        [
            (
                d.classes,
                d.rate and (d.rate.asked, d.rate.of),
                d.label_mode,
                d.sampling,
                [(a.name, a.mode, a.params, a.placement) for a in d.attacks],
                [(d.encoding or {}).get(name) for name in ("clip", "short_side")],
            )
            for d in known
        ]
    )


def _floor(baseline: Run, attack: Run) -> Proportion | None:
    for path in sorted(baseline.folder.glob("evaluations/*/metrics.json")):
        try:
            found = runs.read_metrics(path.parent)
        except RunError:
            continue
        of, views = found.manifest.sha256, found.views
        if (of, views) == (attack.metrics.manifest.sha256, attack.metrics.views):
            return found.asr
    return None
