"""The paper's findings one by one: what our runs say of each.

A finding holds where the interval lies on its side of a bar, does not hold where it lies on the other, and cannot be
told where it lies across, where a run is missing, or where the victims' view keeps less than half of the trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from pathlib import Path

import msgspec

from trainer import compare
from trainer.compare import Difference
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Auroc, Outcome
from trainer.errors import RunError
from trainer.metrics import Share
from trainer.paper import audiovisual, found
from trainer.paper.audiovisual import FusedRow
from trainer.paper.cases import IMAGE, NATURAL, SOUND
from trainer.paper.figures import asr_grid
from trainer.paper.found import CLEAN, Found, Row
from trainer.paper.sheet import Sheet

HIGH_ASR = 0.9
"""An attack succeeds above it; in the paper all do on one network, but for Blend on HMDB-51 (0.867)."""
LOST_CDA = -0.05
"""A CDA is kept where no more is lost; the paper's largest loss is 2.6 points."""
IN_VIEW = 0.5


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


def above(share: Share | Auroc | Difference | None, bar: float) -> Verdict:
    """Whether an interval lies above a bar."""
    if share is None or share.low <= bar <= share.high:
        return Verdict.UNKNOWN
    return Verdict.HOLDS if share.low > bar else Verdict.FAILS


def below(share: Share | Auroc | None, bar: float) -> Verdict:
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
    rows = _rows(every)
    made = [
        *_attacks(rows, "i3d", "static", IMAGE, "table 1", "static image attacks succeed at an unchanged CDA"),
        *_attacks(rows, "i3d", "dynamic", IMAGE, "table 2", "dynamic image attacks succeed at an unchanged CDA"),
        *_dynamic_against_static(every),
        *_attacks(rows, "i3d", "dynamic", NATURAL, "table 3", "natural attacks succeed at an unchanged CDA"),
    ]
    for model in ("slowfast", "tsm"):
        others = ("badnet", "sig", "ftrojan", *NATURAL)
        made += _attacks(rows, model, "dynamic", others, "table 4", "attacks succeed against other architectures")
    made += _attacks(rows, "audio", "static", SOUND, "table 6", "attacks on sound succeed at an unchanged CDA")
    made += _frames(every)
    made += _defenses(every)
    made += _fused(audiovisual.rows_of(folder))
    if not made:
        raise RunError(f"{folder} holds no run that a finding of the paper speaks of; make them with `make paper`")
    return made


def sheet(made: Sequence[Finding]) -> Sheet:
    """The findings as a table."""
    counts = {verdict: sum(finding.verdict is verdict for finding in made) for verdict in Verdict}
    notes = [
        ", ".join(f"{verdict}: {count}" for verdict, count in counts.items()),
        f"succeeds: an ASR above {HIGH_ASR:.0%}; unchanged: at most {-100 * LOST_CDA:.0f} points of CDA lost, paired; "
        f"the 95 % interval must lie on one side of the bar",
    ]
    rows = [[f.place, f.claim, f.case, f.verdict.value, f.evidence] for f in made]
    return Sheet("Findings of the paper", ("where", "finding", "case", "here", "evidence"), rows, notes)


def _rows(every: Sequence[Found]) -> dict[tuple[str, str, str], Row]:
    groups: dict[tuple[str, str, str], list[Found]] = {}
    for run in every:
        if run.case.is_standard:
            groups.setdefault((run.metrics.model, run.case.attack, run.case.mode), []).append(run)
    lowest = {key: min((run.case.target or 0 for run in group), default=0) for key, group in groups.items()}
    return {
        key: found.row([run for run in group if (run.case.target or 0) == lowest[key]], every)
        for key, group in groups.items()
    }


def _attacks(
    rows: dict[tuple[str, str, str], Row], model: str, mode: str, attacks: Sequence[str], place: str, claim: str
) -> list[Finding]:
    made = []
    for attack in attacks:
        row = rows.get((model, attack, mode))
        if row is None:
            continue
        verdict = both([above(row.figures.asr, HIGH_ASR), above(row.cda_difference, LOST_CDA)])
        evidence = f"ASR {_share(row.figures.asr)}, CDA {_points(row.cda_difference)}"
        if row.in_view is not None and row.in_view < IN_VIEW:
            verdict, evidence = Verdict.UNKNOWN, f"{evidence}; {row.in_view:.2f} of the trigger in view"
        made.append(Finding(place, claim, f"{attack}, {model}", verdict, evidence))
    return made


def _dynamic_against_static(every: Sequence[Found]) -> list[Finding]:
    """The difference in ASR on the same clips of the same seeds."""
    made = []
    for attack in IMAGE:
        pair = {
            mode: {
                run.metrics.seed: run.folder
                for run in every
                if (run.metrics.model, run.case.attack, run.case.mode) == ("i3d", attack, mode) and run.case.is_standard
            }
            for mode in ("static", "dynamic")
        }
        seeds = sorted(pair["static"].keys() & pair["dynamic"].keys())
        if seeds:
            difference = compare.successes(
                [pair["dynamic"][seed] for seed in seeds], [pair["static"][seed] for seed in seeds]
            )
            made.append(
                Finding(
                    "section 4.2",
                    "a dynamic trigger has a higher ASR than a static one",
                    f"{attack}, i3d",
                    above(difference, 0.0),
                    f"ASR {_points(difference)}",
                )
            )
    return made


def _frames(every: Sequence[Found]) -> list[Finding]:
    grid = asr_grid(every)
    if grid is None or len(grid.counts) < 2:
        return []
    worst: dict[str, Share] = {}
    for training in grid.counts:
        shares = [share for count in grid.shown if (share := grid.cells[training, count]) is not None]
        if shares:
            worst[training] = min(shares, key=lambda share: share.value)
    fewest = grid.shown[0]
    if fewest not in worst or len(worst) < 2:
        return []
    others = {name: share for name, share in worst.items() if name != fewest}
    best = max(others, key=lambda name: others[name].value)
    verdict = Verdict.UNKNOWN
    if worst[fewest].low > others[best].high:
        verdict = Verdict.HOLDS
    elif worst[fewest].high < others[best].low:
        verdict = Verdict.FAILS
    evidence = f"lowest ASR {_share(worst[fewest])}, trained on {best}: {_share(others[best])}"
    claim = "training on one poisoned frame has the best worst case"
    return [Finding("figure 4", claim, f"{grid.attack}, i3d", verdict, evidence)]


def _defenses(every: Sequence[Found]) -> list[Finding]:
    made = []
    for run in every:
        if run.metrics.model != "i3d" or run.case.mode != "dynamic" or not run.case.is_standard:
            continue
        if run.case.attack not in (*IMAGE, *NATURAL):
            continue
        natural = run.case.attack in NATURAL
        for outcome in outcomes.of_run(run.folder):
            speak = SPEAKING.get(outcome.defense)
            if speak is not None:
                made.append(speak(outcome, natural, f"{run.case.attack}, seed {run.metrics.seed}"))
    return sorted(made, key=lambda finding: finding.place)


def _clustering(outcome: Outcome, natural: bool, case: str) -> Finding:
    share = outcome.figures.get("elimination")
    claim = (
        "activation clustering fails against natural attacks" if natural else "activation clustering finds some clips"
    )
    verdict = below(share, 0.05) if natural else above(share, 0.05)
    return Finding("table 5", claim, case, verdict, f"eliminated {_share(share)}")


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


def _fused(rows: Sequence[FusedRow]) -> list[Finding]:
    made = []
    by_pair = {(row.mode, row.video, row.audio): row for row in rows}
    for row in rows:
        attacked = [name for name in (row.video, row.audio) if name != CLEAN]
        case = f"{row.mode}: {row.video} with {row.audio}"
        if len(attacked) == 2:
            parts = [by_pair.get((row.mode, row.video, CLEAN)), by_pair.get((row.mode, CLEAN, row.audio))]
            single = max((part.asr.value for part in parts if part and part.asr), default=None)
            better = row.asr is not None and single is not None and row.asr.value >= single
            verdict = both([above(row.asr, HIGH_ASR), Verdict.HOLDS if better else Verdict.UNKNOWN])
            evidence = f"ASR {_share(row.asr)}, one alone at most {'–' if single is None else f'{single:.3f}'}"
            made.append(Finding("table 7 (1)", "attacking both improves the ASR", case, verdict, evidence))
        elif attacked:
            early = row.mode == "early"
            claim = "one modality is enough in early fusion" if early else "one modality is not enough in late fusion"
            verdict = above(row.asr, HIGH_ASR) if early else below(row.asr, HIGH_ASR)
            made.append(Finding("table 7 (2)", claim, case, verdict, f"ASR {_share(row.asr)}"))
            other = by_pair.get(("early", row.video, row.audio))
            if not early and other is not None:
                verdict = Verdict.UNKNOWN
                if other.asr and row.asr and not other.asr.low <= row.asr.high:
                    verdict = Verdict.HOLDS
                elif other.asr and row.asr and other.asr.high < row.asr.low:
                    verdict = Verdict.FAILS
                evidence = f"early {_share(other.asr)}, late {_share(row.asr)}"
                claim = "early fusion gives the attacker a higher ASR than late"
                made.append(Finding("table 7 (3)", claim, f"{row.video} with {row.audio}", verdict, evidence))
    return sorted(made, key=lambda finding: finding.place)


def _share(share: Share | None) -> str:
    return "–" if share is None else f"{share.value:.3f} ({share.low:.3f} … {share.high:.3f}, n {share.n})"


def _points(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    return f"{difference.value:+.3f} ({difference.low:+.3f} … {difference.high:+.3f})".replace("-", "−")
