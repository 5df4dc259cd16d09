"""The findings as a table."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.paper.sheet import Sheet
from trainer.paper.verdicts import (
    HIGH_ASR,
    LOST_CDA,
    Finding,
    Verdict,
)


def sheet(made: Sequence[Finding]) -> Sheet:
    """The findings as a table."""
    counts = {verdict: sum(finding.verdict is verdict for finding in made) for verdict in Verdict}
    notes = [
        ", ".join(f"{verdict}: {count}" for verdict, count in counts.items()),
        f"succeeds: an ASR above {HIGH_ASR:.0%}; unchanged: at most {-100 * LOST_CDA:.0f} points of CDA lost, paired; "
        "holds: the 95 % interval lies wholly on the finding's side of the threshold, and that of an ASR above those "
        "of its floors (false target, sham ASR, and the clean victim's ASR); does not hold: wholly on the other side",
    ]
    rows = [[f.place, f.claim, f.case, f.verdict.value, f.evidence] for f in made]
    return Sheet("Findings of the paper", ("where", "finding", "case", "here", "evidence"), rows, notes)
