"""What runs say of the paper's findings on defenses."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.paper import found
from trainer.paper.cases import IMAGE, NATURAL
from trainer.paper.found import Found
from trainer.paper.verdicts import (
    HIGH_ASR,
    Finding,
    Verdict,
    above,
    below,
    stated,
    why_unfit,
    without,
)


def of_defenses(every: Sequence[Found]) -> list[Finding]:
    made = []
    for attack in (*IMAGE, *NATURAL):
        for run in found.standard(every, "i3d", attack, "dynamic"):
            unfit = why_unfit(found.row([run], every))
            for _, outcome in outcomes.of_run(run.folder):
                if (speak := SPEAKING.get(outcome.defense)) is None:
                    continue
                finding = speak(outcome, attack in NATURAL, f"{attack}, seed {run.metrics.seed}")
                made.append(without(finding, unfit) if unfit else finding)
    return sorted(made, key=lambda finding: finding.place)


def _clustering(outcome: Outcome, natural: bool, case: str) -> Finding:
    """It finds poisoned clips where it removes surely more of them than of the clean ones."""
    eliminated, lost = outcome.figures.get("elimination"), outcome.figures.get("sacrifice")
    finds = Verdict.UNKNOWN
    if eliminated is not None and lost is not None:
        if eliminated.low > lost.high:
            finds = Verdict.HOLDS
        elif eliminated.high < 0.1 or eliminated.high < lost.low:
            finds = Verdict.FAILS
    claim = (
        "activation clustering fails against natural attacks" if natural else "activation clustering finds some clips"
    )
    opposite = {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}
    verdict = opposite.get(finds, finds) if natural else finds
    return Finding(
        "table 5",
        claim,
        case,
        verdict,
        f"eliminated {stated(eliminated)}, sacrificed {stated(lost)}",
    )


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
        else f"lowest ASR {stated(least.asr)} at {least.strength:.0%} pruned, CDA {stated(least.cda)}"
    )
    return Finding("figure 5", "pruning takes the accuracy before the attack", case, verdict, evidence)


SPEAKING: dict[str, Callable[[Outcome, bool, str], Finding]] = {
    "activation-clustering": _clustering,
    "strip": _strip,
    "pruning": _pruning,
}
