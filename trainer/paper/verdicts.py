"""What intervals say of a claim: it holds, it does not hold, or it is inconclusive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from trainer.defenses._outcome import Auroc
from trainer.evaluation.compare import Difference
from trainer.manifest import attack_details as details
from trainer.paper.found import Row
from trainer.proportion import Proportion

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
    UNKNOWN = "inconclusive"


class Finding(msgspec.Struct, frozen=True):
    """A claim of the paper, for one case: the verdict and the figure behind it."""

    place: str
    claim: str
    case: str
    verdict: Verdict
    evidence: str


def above(estimate: Proportion | Auroc | Difference | None, bar: float) -> Verdict:
    """Whether an interval lies above a bar."""
    if estimate is None or estimate.low <= bar <= estimate.high:
        return Verdict.UNKNOWN
    return Verdict.HOLDS if estimate.low > bar else Verdict.FAILS


def below(estimate: Proportion | Auroc | None, bar: float) -> Verdict:
    """Whether an interval lies below a bar."""
    return {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}.get(above(estimate, bar), Verdict.UNKNOWN)


def both(verdicts: Iterable[Verdict]) -> Verdict:
    """All of several hold; one that does not is enough against them."""
    every = list(verdicts)
    if Verdict.FAILS in every:
        return Verdict.FAILS
    return Verdict.UNKNOWN if Verdict.UNKNOWN in every or not every else Verdict.HOLDS


OVER = "the ASR is not surely above its floors"


def over_floors(asr: Proportion | None, floors: Sequence[Proportion]) -> bool:
    """Whether an interval lies above those of all its floors."""
    return asr is not None and all(asr.is_above(floor) for floor in floors)


def highest_floor(floors: Sequence[Proportion]) -> str:
    highest = max(floors, key=lambda floor: floor.value, default=None)
    return "–" if highest is None else f"{highest.value:.3f}"


def why_unfit(row: Row) -> str | None:
    """Why an attack is none to learn from, in words."""
    if above(row.figures.asr, WORKS) is not Verdict.HOLDS:
        return f"the attack itself has an ASR of {stated(row.figures.asr)}"
    if not over_floors(row.figures.asr, row.floors):
        return f"the attack itself has an ASR of {stated(row.figures.asr)} over a floor of {highest_floor(row.floors)}"
    if row.in_view is not None and row.in_view < details.LOST:
        return f"{row.in_view:.2f} of the trigger in view"
    return None


def without(finding: Finding, reason: str) -> Finding:
    """The same finding as an inconclusive one, and why."""
    return msgspec.structs.replace(finding, verdict=Verdict.UNKNOWN, evidence=f"{finding.evidence}; {reason}")


def stated(proportion: Proportion | None) -> str:
    return (
        "–"
        if proportion is None
        else f"{proportion.value:.3f} ({proportion.low:.3f} … {proportion.high:.3f}, n {proportion.n})"
    )


def points(difference: Difference | None) -> str:
    if difference is None:
        return "–"
    return f"{difference.value:+.3f} ({difference.low:+.3f} … {difference.high:+.3f})".replace("-", "−")
