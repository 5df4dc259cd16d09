"""What runs say of the paper's findings on audio-visual fusion."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from trainer.evaluation import compare
from trainer.paper import found
from trainer.paper.audiovisual import FusedRow
from trainer.paper.found import CLEAN, Found
from trainer.paper.verdicts import (
    HIGH_ASR,
    OVER,
    Finding,
    Verdict,
    above,
    below,
    highest_floor,
    over_floors,
    points,
    stated,
    why_unfit,
    without,
)
from trainer.runs import folder as runs


def of_fusion(rows: Sequence[FusedRow], every: Sequence[Found]) -> list[Finding]:
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
            finding = Finding(
                "table 7 (2)",
                claim,
                case,
                verdict,
                f"ASR {stated(row.asr)}, floor {highest_floor(row.floors)}",
            )
            if early and verdict is Verdict.HOLDS and not over_floors(row.asr, row.floors):
                finding = without(finding, OVER)
            own.append(finding)
            other = by_pair.get(("early", row.video, row.audio))
            if not early and other is not None and len(other.runs) == len(row.runs):
                difference = compare.successes(list(map(Path, other.runs)), list(map(Path, row.runs)))
                claim = "early fusion gives the attacker a higher ASR than late"
                evidence = f"early − late {points(difference)}"
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
    reason = why_unfit(found.row(alone, every)) if alone else None
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
    evidence = f"ASR {stated(row.asr)}, {points(difference)} on the better single one's {stated(best.asr)}"
    return Finding("table 7 (1)", claim, case, above(difference, 0.0), evidence)
