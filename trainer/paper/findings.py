"""The paper's findings one by one: what our runs say of each.

A finding holds where the interval lies on its side of a bar, does not hold where it lies on the other, and cannot be
told where it lies across, where a run is missing, where an ASR is not surely above its floors, or where the victims'
view keeps less than half of the trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import cache, partial
from pathlib import Path

import msgspec

from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Auroc, Outcome
from trainer.errors import RunError
from trainer.evaluation import compare
from trainer.evaluation.compare import Difference
from trainer.manifest import attack_details as details
from trainer.paper import audiovisual, found
from trainer.paper.audiovisual import FusedRow
from trainer.paper.cases import IMAGE, NATURAL, SOUND
from trainer.paper.figures import asr_grid
from trainer.paper.found import CLEAN, Found, Row
from trainer.paper.sheet import Sheet
from trainer.proportion import Proportion
from trainer.runs import folder as runs

HIGH_ASR = 0.9
"""An attack succeeds above it; in the paper all do on one network, but for Blend on HMDB-51 (0.867)."""
LOST_CDA = -0.05
"""A CDA is kept where no more is lost; the paper's largest loss is 2.6 points."""
WORKS = 0.5
"""The ASR that a victim must surely have before a defense of it says anything."""


class Verdict(StrEnum):
    """What our runs say of a finding."""

    HOLDS = "holds"
    FAILS = "does not hold"
    UNKNOWN = "cannot be told"


class Finding(msgspec.Struct, frozen=True):
    """A claim of the paper, for one case: the verdict and the figure behind it."""

    place: str
    claim: str
    case: str
    verdict: Verdict
    evidence: str


def above(share: Proportion | Auroc | Difference | None, bar: float) -> Verdict:
    """Whether an interval lies above a bar."""
    if share is None or share.low <= bar <= share.high:
        return Verdict.UNKNOWN
    return Verdict.HOLDS if share.low > bar else Verdict.FAILS


def below(share: Proportion | Auroc | None, bar: float) -> Verdict:
    """Whether an interval lies below a bar."""
    return {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}.get(above(share, bar), Verdict.UNKNOWN)


def both(verdicts: Iterable[Verdict]) -> Verdict:
    """All of several hold; one that does not is enough against them."""
    every = list(verdicts)
    if Verdict.FAILS in every:
        return Verdict.FAILS
    return Verdict.UNKNOWN if Verdict.UNKNOWN in every or not every else Verdict.HOLDS


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
    made += _attacks(every, "audio", "static", SOUND, "table 6", "attacks on sound succeed at an unchanged CDA")
    made += _frames(every)
    made += _defenses(every)
    made += _fused(audiovisual.rows_of(folder), every)
    if not made:
        raise RunError(f"{folder} holds no run that a finding of the paper speaks of", "make them with `make paper`")
    return made


def sheet(made: Sequence[Finding]) -> Sheet:
    """The findings as a table."""
    counts = {verdict: sum(finding.verdict is verdict for finding in made) for verdict in Verdict}
    notes = [
        ", ".join(f"{verdict}: {count}" for verdict, count in counts.items()),
        f"succeeds: an ASR above {HIGH_ASR:.0%}; unchanged: at most {-100 * LOST_CDA:.0f} points of CDA lost, paired; "
        f"the 95 % interval must lie on one side of the bar, and that of an ASR above those of its floors: "
        f"false target, sham ASR, and the clean victim's ASR",
    ]
    rows = [[f.place, f.claim, f.case, f.verdict.value, f.evidence] for f in made]
    return Sheet("Findings of the paper", ("where", "finding", "case", "here", "evidence"), rows, notes)


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
        evidence = f"ASR {_share(row.figures.asr)}, floor {_floor(row.floors)}, CDA {_points(row.cda_difference)}"
        finding = Finding(place, claim, f"{attack}, {model}", verdict, evidence)
        if row.in_view is not None and row.in_view < details.LOST:
            finding = without(finding, f"{row.in_view:.2f} of the trigger in view")
        elif verdict is Verdict.HOLDS and not over_floors(row.figures.asr, row.floors):
            finding = without(finding, OVER)
        made.append(finding)
    return made


OVER = "the ASR is not surely above its floors"


def over_floors(asr: Proportion | None, floors: Sequence[Proportion]) -> bool:
    """Whether an interval lies above those of all its floors."""
    return asr is not None and all(asr.is_above(floor) for floor in floors)


def _floor(floors: Sequence[Proportion]) -> str:
    highest = max(floors, key=lambda floor: floor.value, default=None)
    return "–" if highest is None else f"{highest.value:.3f}"


def _unfit(row: Row) -> str | None:
    """Why an attack is none to learn from, in words."""
    if above(row.figures.asr, WORKS) is not Verdict.HOLDS:
        return f"the attack itself has an ASR of {_share(row.figures.asr)}"
    if not over_floors(row.figures.asr, row.floors):
        return f"the attack itself has an ASR of {_share(row.figures.asr)} over a floor of {_floor(row.floors)}"
    if row.in_view is not None and row.in_view < details.LOST:
        return f"{row.in_view:.2f} of the trigger in view"
    return None


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
        finding = Finding("section 4.2", claim, f"{attack}, i3d", verdict, f"ASR {_points(difference)}")
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
    place, claim = "figure 4", "training on one poisoned frame has the best worst case"
    case = f"{grid.attack}, i3d"
    worst: dict[str, Proportion] = {}
    for training in grid.counts:
        shares = [grid.cells[training, count] for count in grid.shown]
        known = [share for share in shares if share is not None]
        if len(known) == len(shares):
            worst[training] = min(known, key=lambda share: share.value)
    if len(worst) < len(grid.counts) or "1" not in worst or len(worst) < 2:
        return [Finding(place, claim, case, Verdict.UNKNOWN, "the grid is not complete")]
    others = {name: share for name, share in worst.items() if name != "1"}
    best = max(others, key=lambda name: others[name].value)
    verdict = Verdict.UNKNOWN
    if worst["1"].low > others[best].high:
        verdict = Verdict.HOLDS
    elif worst["1"].high < others[best].low:
        verdict = Verdict.FAILS
    evidence = f"lowest ASR {_share(worst['1'])}, trained on {best}: {_share(others[best])}"
    return [Finding(place, claim, case, verdict, evidence)]


def _defenses(every: Sequence[Found]) -> list[Finding]:
    made = []
    for attack in (*IMAGE, *NATURAL):
        for run in found.standard(every, "i3d", attack, "dynamic"):
            unfit = _unfit(found.row([run], every))
            for _, outcome in outcomes.of_run(run.folder):
                if (speak := SPEAKING.get(outcome.defense)) is None:
                    continue
                finding = speak(outcome, attack in NATURAL, f"{attack}, seed {run.metrics.seed}")
                made.append(without(finding, unfit) if unfit else finding)
    return sorted(made, key=lambda finding: finding.place)


def without(finding: Finding, reason: str) -> Finding:
    """The same finding where nothing can be told, and why."""
    return msgspec.structs.replace(finding, verdict=Verdict.UNKNOWN, evidence=f"{finding.evidence}; {reason}")


def _clustering(outcome: Outcome, natural: bool, case: str) -> Finding:
    """It finds poisoned clips where it removes surely more of them than of the clean ones."""
    found_share, lost = outcome.figures.get("elimination"), outcome.figures.get("sacrifice")
    finds = Verdict.UNKNOWN
    if found_share is not None and lost is not None:
        if found_share.low > lost.high:
            finds = Verdict.HOLDS
        elif found_share.high < 0.1 or found_share.high < lost.low:
            finds = Verdict.FAILS
    claim = (
        "activation clustering fails against natural attacks" if natural else "activation clustering finds some clips"
    )
    opposite = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}
    verdict = opposite.get(finds, finds) if natural else finds
    return Finding("table 5", claim, case, verdict, f"eliminated {_share(found_share)}, sacrificed {_share(lost)}")


def _strip(outcome: Outcome, natural: bool, case: str) -> Finding:
    claim = "STRIP cannot tell natural attacks" if natural else "STRIP tells image attacks"
    verdict = below(outcome.auroc, 0.7) if natural else above(outcome.auroc, 0.7)
    shown = (
        "–"
        if outcome.auroc is None
        else f"{outcome.auroc.value:.3f} ({outcome.auroc.low:.3f} … {outcome.auroc.high:.3f})"
    )
    return Finding("figure 6", claim, case, verdict, f"AUROC {shown}")


def _pruning(outcome: Outcome, natural: bool, case: str) -> Finding:
    """Of the points that still have half of the first one's accuracy, whether the attack is ever gone."""
    first = outcome.curve[0]
    useful = [p for p in outcome.curve if p.cda and first.cda and p.cda.value >= 0.5 * first.cda.value and p.asr]
    least = min(useful, key=lambda point: point.asr.value if point.asr else 1.0, default=None)
    verdict = above(least.asr if least else None, 0.5)
    if first.asr is None or first.asr.value < HIGH_ASR:
        verdict = Verdict.UNKNOWN
    evidence = (
        "–"
        if least is None
        else f"lowest ASR {_share(least.asr)} at {least.strength:.0%} pruned, CDA {_share(least.cda)}"
    )
    return Finding("figure 5", "pruning takes the accuracy before the attack", case, verdict, evidence)


SPEAKING: dict[str, Callable[[Outcome, bool, str], Finding]] = {
    "activation-clustering": _clustering,
    "strip": _strip,
    "pruning": _pruning,
}


def _fused(rows: Sequence[FusedRow], every: Sequence[Found]) -> list[Finding]:
    made = []
    reason = cache(partial(_unfit_part, every=every))  # a network is in many pairs
    by_pair = {(row.mode, row.video, row.audio): row for row in rows}
    for row in rows:
        attacked = [name for name in (row.video, row.audio) if name != CLEAN]
        case = f"{row.mode}: {row.video} with {row.audio}"
        own: list[Finding] = []
        if len(attacked) == 2:
            own.append(_both_attacked(row, by_pair, case))
        elif attacked:
            early = row.mode == "early"
            claim = "one modality is enough in early fusion" if early else "one modality is not enough in late fusion"
            verdict = above(row.asr, HIGH_ASR) if early else below(row.asr, HIGH_ASR)
            finding = Finding("table 7 (2)", claim, case, verdict, f"ASR {_share(row.asr)}, floor {_floor(row.floors)}")
            if early and verdict is Verdict.HOLDS and not over_floors(row.asr, row.floors):
                finding = without(finding, OVER)
            own.append(finding)
            other = by_pair.get(("early", row.video, row.audio))
            if not early and other is not None and len(other.runs) == len(row.runs):
                difference = compare.successes(list(map(Path, other.runs)), list(map(Path, row.runs)))
                claim = "early fusion gives the attacker a higher ASR than late"
                evidence = f"early − late {_points(difference)}"
                pair = f"{row.video} with {row.audio}"
                own.append(Finding("table 7 (3)", claim, pair, above(difference, 0.0), evidence))
        unfit = next(filter(None, (reason(part) for part in _parts(row))), None)
        made += [without(finding, unfit) if unfit else finding for finding in own]
    return sorted(made, key=lambda finding: finding.place)


Part = tuple[str, frozenset[tuple[str, str, int]]]
"""An attack, and the networks that were fused over the seeds: manifest, model and seed of each."""


def _parts(row: FusedRow) -> list[Part]:
    """The attacked ones of a fused model."""
    fused = [fusion for folder in row.runs if (fusion := runs.read_metrics(Path(folder)).fusion)]
    sides = ((row.video, [f.video for f in fused]), (row.audio, [f.audio for f in fused]))
    return [
        (attack, frozenset((part.manifest.sha256, part.model, part.seed) for part in parts))
        for attack, parts in sides
        if attack != CLEAN
    ]


def _unfit_part(part: Part, every: Sequence[Found]) -> str | None:
    """Why an attack on a modality is none to learn from, by the runs of that network alone, where there are any."""
    attack, stamps = part
    alone = [r for r in every if (r.metrics.manifest.sha256, r.metrics.model, r.metrics.seed) in stamps]
    reason = _unfit(found.row(alone, every)) if alone else None
    return reason and f"{attack} on one network: {reason}"


def _both_attacked(row: FusedRow, by_pair: dict[tuple[str, str, str], FusedRow], case: str) -> Finding:
    """Against the better of the models with one attacked modality, on the same clips."""
    claim = "attacking both improves the ASR"
    pairs = ((row.mode, row.video, CLEAN), (row.mode, CLEAN, row.audio))
    singles = [one for pair in pairs if (one := by_pair.get(pair)) and one.asr and len(one.runs) == len(row.runs)]
    if len(singles) < 2 or row.asr is None:
        return Finding("table 7 (1)", claim, case, Verdict.UNKNOWN, "a model with one attacked modality is missing")
    best = max(singles, key=lambda one: one.asr.value if one.asr else 0.0)
    difference = compare.successes(list(map(Path, row.runs)), list(map(Path, best.runs)))
    evidence = f"ASR {_share(row.asr)}, {_points(difference)} on the better single one's {_share(best.asr)}"
    return Finding("table 7 (1)", claim, case, above(difference, 0.0), evidence)


def _share(share: Proportion | None) -> str:
    return "–" if share is None else f"{share.value:.3f} ({share.low:.3f} … {share.high:.3f}, n {share.n})"


def _points(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    return f"{difference.value:+.3f} ({difference.low:+.3f} … {difference.high:+.3f})".replace("-", "−")
