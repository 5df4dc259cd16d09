"""The paper's findings one by one: what our runs say of each.

A finding holds where the interval lies on its side of a bar, and does not hold where it lies on the other. It is
inconclusive where the interval lies across, where a run is missing, where an ASR is not surely above its floors, or
where the victims' view keeps less than half of the trigger.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.errors import RunError
from trainer.evaluation import compare
from trainer.manifest import attack_details as details
from trainer.paper import audiovisual, found
from trainer.paper.cases import IMAGE, NATURAL, SOUND
from trainer.paper.defense_findings import of_defenses
from trainer.paper.figures import asr_grid
from trainer.paper.found import Found
from trainer.paper.fusion_findings import of_fusion
from trainer.paper.verdicts import (
    HIGH_ASR,
    LOST_CDA,
    OVER,
    Finding,
    Verdict,
    above,
    both,
    highest_floor,
    over_floors,
    points,
    stated,
    without,
)
from trainer.proportion import Proportion


def findings(folder: Path) -> list[Finding]:
    """All that the runs of a folder can say; raises `RunError` when there are none."""
    every = found.read(folder)
    made = [
        *_attacks(every, "i3d", "static", IMAGE, "table 1", "static image attacks succeed at an unchanged CDA"),
        *_attacks(every, "i3d", "dynamic", IMAGE, "table 2", "dynamic image attacks succeed at an unchanged CDA"),
        *_dynamic_against_static(every),
        *_attacks(every, "i3d", "dynamic", NATURAL, "table 3", "natural attacks succeed at an unchanged CDA"),
    ]
    for model in ("slowfast", "tsm"):
        others = ("badnet", "sig", "ftrojan", *NATURAL)
        made += _attacks(every, model, "dynamic", others, "table 4", "attacks succeed against other architectures")
    made += _attacks(every, "audio", "static", SOUND, "table 6", "attacks on audio succeed at an unchanged CDA")
    made += _frames(every)
    made += of_defenses(every)
    made += of_fusion(audiovisual.rows_of(folder), every)
    if not made:
        raise RunError(f"{folder} holds no run that a finding of the paper speaks of", "make them with `make paper`")
    return made


def _attacks(
    every: Sequence[Found], model: str, mode: str, attacks: Sequence[str], place: str, claim: str
) -> list[Finding]:
    made = []
    for attack in attacks:
        runs = found.standard(every, model, attack, mode)
        if not runs:
            continue
        row = found.row(runs, every)
        verdict = both([above(row.figures.asr, HIGH_ASR), above(row.cda_difference, LOST_CDA)])
        evidence = f"ASR {stated(row.figures.asr)}, floor {highest_floor(row.floors)}, CDA {points(row.cda_difference)}"
        finding = Finding(place, claim, f"{attack}, {model}", verdict, evidence)
        if row.in_view is not None and row.in_view < details.LOST:
            finding = without(finding, f"{row.in_view:.2f} of the trigger in view")
        elif verdict is Verdict.HOLDS and not over_floors(row.figures.asr, row.floors):
            finding = without(finding, OVER)
        made.append(finding)
    return made


def _dynamic_against_static(every: Sequence[Found]) -> list[Finding]:
    """The difference in ASR on the same clips of the same seeds."""
    made = []
    for attack in IMAGE:
        static, dynamic = (
            {run.draw: run for run in found.standard(every, "i3d", attack, mode)} for mode in ("static", "dynamic")
        )
        draws = sorted(static.keys() & dynamic.keys())
        if not draws:
            continue
        difference = compare.successes([dynamic[d].folder for d in draws], [static[d].folder for d in draws])
        rows = [found.row([runs[d] for d in draws], every) for runs in (static, dynamic)]
        claim = "a dynamic trigger has a higher ASR than a static one"
        verdict = above(difference, 0.0)
        finding = Finding("section 4.2", claim, f"{attack}, i3d", verdict, f"ASR {points(difference)}")
        if min((row.in_view for row in rows if row.in_view is not None), default=1.0) < details.LOST:
            finding = without(finding, "less than half of a trigger in view")
        elif verdict is not Verdict.UNKNOWN and not any(over_floors(row.figures.asr, row.floors) for row in rows):
            finding = without(finding, OVER)
        made.append(finding)
    return made


def _frames(every: Sequence[Found]) -> list[Finding]:
    """The lowest ASR over all numbers of frames in evaluation, of each number in training; the grid must be whole."""
    grid = asr_grid(every)
    if grid is None:
        return []
    place, claim = "figure 4", "training on one poisoned frame has the highest minimum ASR over its row"
    case = f"{grid.attack}, i3d"
    worst: dict[str, Proportion] = {}
    for training in grid.counts:
        proportions = [grid.cells[training, count] for count in grid.shown]
        known = [proportion for proportion in proportions if proportion is not None]
        if len(known) == len(proportions):
            worst[training] = min(known, key=lambda proportion: proportion.value)
    if len(worst) < len(grid.counts) or "1" not in worst or len(worst) < 2:
        return [Finding(place, claim, case, Verdict.UNKNOWN, "the grid is not complete")]
    others = {name: proportion for name, proportion in worst.items() if name != "1"}
    best = max(others, key=lambda name: others[name].value)
    verdict = Verdict.UNKNOWN
    if worst["1"].low > others[best].high:
        verdict = Verdict.HOLDS
    elif worst["1"].high < others[best].low:
        verdict = Verdict.FAILS
    evidence = f"lowest ASR {stated(worst['1'])}, trained on {best}: {stated(others[best])}"
    return [Finding(place, claim, case, verdict, evidence)]
