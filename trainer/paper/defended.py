"""Table 5: what defenses on training data remove."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.errors import RunError
from trainer.paper import found, theirs
from trainer.paper.found import Found, Row
from trainer.paper.sheet import Sheet, percent, points, printed, signed, value
from trainer.proportion import Proportion, hit_rate, wilson

TITLE = "Table 5: activation clustering"
DEFENDED = ("frame-lag", "motion-blur", "sig", "badnet", "ftrojan")
DEFENSES = ("activation-clustering", "spectral-signatures")


class Defended(msgspec.Struct, frozen=True, kw_only=True):
    """A defense on the runs of one attack, seeds pooled; `auroc`: a seed each; `attack`: those runs' figures."""

    defense: str
    case: str
    mode: str
    eliminated: Proportion | None
    sacrificed: Proportion | None
    auroc: list[float]
    attack: Row
    runs: list[str]


HEADINGS = (
    "defense",
    "attack",
    "eliminated",
    "sacrificed",
    "AUROC",
    "ASR",
    "false target",
    "sham ASR",
    "ASR, clean victim",
    "CDA − clean, paired",
    "paper: eliminated",
    "paper: sacrificed",
    "eliminated − paper's",
)
NOTES = [
    "percent of the poisoned and of the clean training clips that the defense removes",
    "AUROC: of a poisoned against a clean clip of the same label, a seed each",
    "ASR to CDA: of the attack that is to be found; nothing tells about a defense where the ASR is at its floors",
    "paper: UCF-101, I3D; it does not say whether the attacks are static or dynamic; ours are dynamic",
    "spectral signatures are not in the paper",
]


def table(folder: Path) -> tuple[Sheet, list[msgspec.Struct]]:
    """The table and its rows as structs; raises `RunError` when the folder holds no run with such a defense."""
    rows = _rows(found.read(folder))
    if not rows:
        raise RunError(f"{folder} holds no run with a defense for table 5", "make them with `make table5`")
    printed_rows = theirs.table(5)
    cells = [_cells(row, printed_rows[row.case] if row.defense == "activation-clustering" else {}) for row in rows]
    return Sheet(TITLE, HEADINGS, cells, list(NOTES), (0, 1, 2, 3, 4, 5)), list(rows)


def _rows(every: Sequence[Found]) -> list[Defended]:
    rows = []
    for defense in DEFENSES:
        for attack in DEFENDED:
            made = of_attack(every, attack, defense)
            if not made:
                continue
            scores = [score for _, place, _ in made for score in outcomes.scores(place)]
            rows.append(
                Defended(
                    defense=defense,
                    case=attack,
                    mode="dynamic",
                    eliminated=hit_rate((s.id, s.flagged) for s in scores if s.poisoned),
                    sacrificed=hit_rate((s.id, s.flagged) for s in scores if not s.poisoned),
                    auroc=[outcome.auroc.value for _, _, outcome in made if outcome.auroc],
                    attack=found.row([run for run, _, _ in made], every),
                    runs=[str(run.folder) for run, _, _ in made],
                )
            )
    return rows


def _cells(row: Defended, paper: Mapping[str, float | None]) -> list[str]:
    """A row as words, with the paper's rates where it gives them."""
    eliminated, sacrificed = paper.get("elimination_rate"), paper.get("sacrifice_rate")
    more = None if eliminated is None or row.eliminated is None else 100 * row.eliminated.value - eliminated
    return [
        row.defense,
        f"{row.case} {row.mode}",
        percent(row.eliminated),
        percent(row.sacrificed),
        ", ".join(f"{auroc:.3f}" for auroc in row.auroc) or "–",
        percent(row.attack.figures.asr),
        value(row.attack.figures.false_target),
        value(row.attack.figures.sham_asr),
        value(row.attack.asr_clean_model),
        points(row.attack.cda_difference),
        printed(eliminated),
        printed(sacrificed),
        signed(more),
    ]


def of_attack(every: Sequence[Found], attack: str, defense: str) -> list[tuple[Found, Path, Outcome]]:
    """A defense's outcomes on the standard dynamic runs of an attack on I3D, each with its run and its folder."""
    return [
        (run, place, outcome)
        for run in found.standard(every, "i3d", attack, "dynamic")
        for place, outcome in outcomes.of_run(run.folder)
        if outcome.defense == defense
    ]


def together(proportions: Sequence[Proportion | None]) -> Proportion | None:
    """Shares of the same clips in several seeds, pooled: a clip that several tested is no new evidence."""
    known = [proportion for proportion in proportions if proportion is not None]
    hits = sum(round(proportion.value * proportion.n) for proportion in known)
    return wilson(
        hits, sum(proportion.n for proportion in known), max((proportion.n for proportion in known), default=0)
    )
