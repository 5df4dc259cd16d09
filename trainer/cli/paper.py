"""The paper beside our runs: `trainer table`, `figure` and `findings`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import Json, print_json
from trainer.errors import TrainerError


class DataSetName(StrEnum):
    """`--beside`."""

    UCF101 = "ucf101"
    HMDB51 = "hmdb51"
    KINETICS_SOUNDS = "kinetics-sounds"


def table(
    number: Annotated[str, typer.Argument(help="1 to 7, or controls.", metavar="N")],
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
    beside: Annotated[
        DataSetName, typer.Option(help="Which of the paper's data sets stands beside, in tables 1 to 3.")
    ] = DataSetName.UCF101,
    out: Annotated[Path | None, typer.Option(help="Write the whole table to a .md or .html file.")] = None,
    json: Json = False,
) -> None:
    """Show a table of the paper: ours beside theirs, with floors, intervals and differences.

    Runs are told apart by their manifests; several seeds of a case are pooled. The terminal shows the main columns,
    a file all of them.
    """
    from trainer.paper import tables

    if number not in (*"1234567", "controls"):
        raise TrainerError(f"there is no table {number!r}", "give 1 to 7, or controls")
    sheet, rows = tables.controls(runs) if number == "controls" else tables.table(int(number), runs, beside.value)
    if out is not None:
        sheet.write(out)
    print_json(rows) if json else sheet.show()


def figure(
    number: Annotated[str, typer.Argument(help="4 to 7.", metavar="N")],
    out: Annotated[Path, typer.Option(help="The picture, .svg or .png; its numbers go beside it as .md.")],
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
) -> None:
    """Draw a figure of the paper from our runs: 4 frames poisoned, 5 pruning, 6 STRIP, 7 spectrograms."""
    from trainer import plots
    from trainer.paper import figures

    if number not in figures.FIGURES:
        raise TrainerError(f"there is no figure {number!r}", f"give one of {', '.join(figures.FIGURES)}")
    if out.suffix not in (".svg", ".png"):
        raise TrainerError(f"a figure cannot be written as {out.name!r}", "give a name that ends in .svg or .png")
    drawing, sheet = figures.FIGURES[number](runs)
    sheet.write(out.with_suffix(".md"))
    plots.save(drawing, out)
    sheet.show()


def findings(
    runs: Annotated[Path, typer.Option(help="The folder above the runs.")] = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Write the list to a .md or .html file.")] = None,
    json: Json = False,
) -> None:
    """Hold the paper's findings against our runs, one by one: holds, does not hold, or inconclusive."""
    from trainer.paper import findings as finding
    from trainer.paper import findings_sheet

    made = finding.findings(runs)
    sheet = findings_sheet.sheet(made)
    if out is not None:
        sheet.write(out)
    print_json(made) if json else sheet.show()
