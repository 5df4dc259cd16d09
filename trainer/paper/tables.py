"""The paper's seven tables and one of controls: ours beside theirs.

Ours counts as the tool counts everywhere; differences compare like with like: our ASR over all triggered clips with
theirs, and the change of CDA against each side's own clean victim.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from trainer.errors import RunError
from trainer.manifest import attack_details as details
from trainer.paper import audiovisual, defended, found, theirs
from trainer.paper.cases import IMAGE, NATURAL, SOUND, VIDEO_MODELS
from trainer.paper.found import CLEAN, NONE, Case, Found, Row
from trainer.paper.sheet import Sheet, percent, points, printed, signed, value

TITLES = {
    1: "Table 1: image attacks, static",
    2: "Table 2: image attacks, dynamic",
    3: "Table 3: natural attacks, dynamic",
    4: "Table 4: dynamic attacks on other architectures",
    6: "Table 6: attacks on audio",
}
HEADINGS = (
    "victim",
    "attack",
    "CDA",
    "CDA − clean, paired",
    "ASR",
    "ASR (all)",
    "RA",
    "false target",
    "sham ASR",
    "ASR, clean victim",
    "in file",
    "in view",
    "paper: CDA",
    "paper: ASR",
    "CDA change − paper's",
    "ASR (all) − paper's",
)
BRIEF = (0, 1, 2, 3, 4, 7, 8, 9, 13)


def table(number: int, folder: Path, beside: str) -> tuple[Sheet, list[msgspec.Struct]]:
    """Table `number` (1 to 7) of the runs in a folder, beside the paper's for one data set, and its rows as structs.

    Raises `RunError` when the folder holds no run for it.
    """
    if number == 5:
        return defended.table(folder)
    if number == 7:
        return audiovisual.table(folder)
    every = found.read(folder)
    wanted: dict[int, tuple[Sequence[str], Sequence[str], str]] = {
        1: (["i3d"], IMAGE, "static"),
        2: (["i3d"], IMAGE, "dynamic"),
        3: (["i3d"], NATURAL, "dynamic"),
        4: (["slowfast", "tsm"], ("badnet", "sig", "ftrojan", *NATURAL), "dynamic"),
        6: (["audio"], SOUND, "static"),
    }
    models, attacks, mode = wanted[number]
    rows = []
    for model in models:
        for attack in (CLEAN, *attacks):
            runs = found.standard(every, model, attack, mode)
            if runs:
                rows.append(found.row(runs, every))
    if all(row.case == CLEAN for row in rows):
        raise RunError(f"{folder} holds no run for table {number}", f"make them with `make table{number}`")
    if number in (4, 6):
        beside = "ucf101" if number == 4 else "kinetics-sounds"
    cells = [_cells(row, rows, number, beside) for row in rows]
    notes = [*_notes(rows), f"paper: {theirs.NAMES[beside]}, I3D" if number < 4 else f"paper: {theirs.NAMES[beside]}"]
    if number in (3, 6):
        notes.append("the paper does not say whether these are static or dynamic; ours are " + mode)
    return Sheet(TITLES[number], HEADINGS, cells, notes, BRIEF if number == 4 else BRIEF[1:]), list(rows)


def controls(folder: Path) -> tuple[Sheet, list[msgspec.Struct]]:
    """What the tables are measured against: no trigger, other rates, other targets, other numbers of frames."""
    every = found.read(folder)
    cases: dict[tuple[str, Case], list[Found]] = {}
    for run in every:
        if run.metrics.model in VIDEO_MODELS and (run.case.attack in (CLEAN, NONE) or _varied(run.case, every)):
            cases.setdefault((run.metrics.model, run.case), []).append(run)
    ordered = sorted(cases, key=lambda key: (key[0], key[1].attack != CLEAN, key[1].attack != NONE, _order(key[1])))
    rows = [found.row(cases[key], every) for key in ordered if key[1].attack != CLEAN]
    if not rows:
        raise RunError(f"{folder} holds no run for the controls", "make them with `make controls`")
    headings = ["victim", "attack", "rate", "target", "frames", "labels", *HEADINGS[2:12]]
    cells = []
    for row in rows:
        plain = _cells(row, rows, 0, "")
        name = f"{row.case} {row.mode}".strip()
        varied = ["–" if row.rate is None else f"{row.rate:g}", str(row.target), row.frames, row.label_mode]
        cells.append([row.model, name, *varied, *plain[2:12]])
    notes = [*_notes(rows), "`none` relabels and re-encodes the same clips without a trigger"]
    return Sheet("Controls", headings, cells, notes, (1, 2, 3, 4, 6, 8, 13)), list(rows)


def _varied(case: Case, every: Iterable[Found]) -> bool:
    """Whether a case differs from another in rate, target or frames alone."""
    same = {run.case for run in every if (run.case.attack, run.case.mode) == (case.attack, case.mode)}
    return len(same) > 1


def _order(case: Case) -> tuple[str, str, bool, float, int, str]:
    return (case.attack, case.mode, case.frames != "all", case.rate or 0, case.target or 0, case.frames.zfill(8))


def _cells(row: Row, rows: Sequence[Row], number: int, beside: str) -> list[str]:
    figures = row.figures
    column = row.model if number == 4 else beside
    paper = theirs.cell(number, "baseline" if row.case == CLEAN else row.case, column) if number else None
    base = theirs.cell(number, "baseline", column) if number else None
    clean = next((r.figures.cda for r in rows if r.case == CLEAN and r.model == row.model), None)
    changes = None
    if paper and base and None not in (paper.cda, base.cda, clean, figures.cda) and row.case != CLEAN:
        ours = 100 * (row.cda_difference.value if row.cda_difference else figures.cda.value - clean.value)  # type: ignore[union-attr]
        changes = ours - (paper.cda - base.cda)  # type: ignore[operator]
    all_clips = None
    if paper and paper.asr is not None and figures.asr_all is not None:
        all_clips = 100 * figures.asr_all.value - paper.asr
    return [
        row.model,
        f"{row.case} {row.mode}".strip(),
        percent(figures.cda),
        points(row.cda_difference),
        percent(figures.asr),
        value(figures.asr_all),
        value(figures.ra),
        percent(figures.false_target),
        percent(figures.sham_asr),
        percent(row.asr_clean_model),
        "–" if row.kept is None else f"{row.kept:.2f}",
        "–" if row.in_view is None else f"{row.in_view:.2f}",
        printed(paper.cda if paper else None),
        printed(paper.asr if paper else None),
        signed(changes),
        signed(all_clips),
    ]


def _notes(rows: Sequence[Row]) -> list[str]:
    seeds = sorted({seed for row in rows for seed in row.seeds})
    lost = [f"{row.case} {row.mode}".strip() for row in rows if row.in_view is not None and row.in_view < details.LOST]
    notes = [
        f"percent, with 95 % intervals and counts; seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
        + (" pooled" if len(seeds) > 1 else "")
        + "; false target, sham ASR and the clean victim's ASR are the floors under the ASR",
        "in file, in view: how much of the trigger the written clips, and a victim's view of them, keep (median)",
    ]
    alone = [f"{row.case} {row.mode}".strip() for row in rows if row.case != CLEAN and row.cda_difference is None]
    if alone:
        notes.append(
            "no clean run of the same seed from the same initial weights, tested in the same views, to compare with: "
            f"{', '.join(alone)}"
        )
    if lost:
        notes.append(f"under {details.LOST} in view, so inconclusive: {', '.join(lost)}")
    return notes
