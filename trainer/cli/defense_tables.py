"""Outcomes and defenses as small tables for people."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.defenses._base import Defense, allowed
from trainer.defenses._outcome import Outcome
from trainer.proportion import Proportion
from trainer.table_layout import cells, plain
from trainer.text import shown


def show_outcome(outcome: Outcome, folder: str) -> None:
    """Print what a defense found, and in which `folder` its files lie."""
    console = Console(highlight=False)
    console.print(plain(f"{outcome.defense} on {outcome.run} ({outcome.model})"))
    console.print(plain(f"rule: {outcome.rule}"))
    console.print(f"clean set: {outcome.clean_clips} clips of test, left out of the figures")
    table = Table()
    table.add_column("")
    for heading in ("rate", "95 %", "n"):
        table.add_column(heading, justify="right")
    for name, rate in outcome.figures.items():
        table.add_row(plain(name), *cells(rate))
    if outcome.auroc is not None:
        a = outcome.auroc
        table.add_row("AUROC", f"{a.value:.3f}", f"{a.low:.3f} … {a.high:.3f}", f"{a.positives} / {a.negatives}")
    console.print(table)
    if outcome.curve:
        _show_curve(outcome, console)
    console.print(shown(f"plot and figures: {folder}"), markup=False, soft_wrap=True)


def show_defenses(kinds: Sequence[type[Defense]]) -> None:
    """Print defenses with their parameters."""
    console = Console(highlight=False)
    for kind in kinds:
        console.print(Text.assemble((kind.name, "bold"), f": {_sentence(kind)}"))
        console.print(f"source: {kind.source}", markup=False)
        table = Table()
        for heading in ("parameter", "default", "allowed", "what it is"):
            table.add_column(heading, overflow="fold")
        for f in kind.fields():
            unit = f" ({f.metadata['unit']})" if f.metadata["unit"] else ""
            table.add_row(*map(plain, (f.name, str(f.default), allowed(f), f"{f.metadata['help']}{unit}")))
        console.print(table)


def describe(kind: type[Defense]) -> dict[str, object]:
    """A defense for machines."""
    parameters = {f.name: {"default": f.default, **{k: v for k, v in f.metadata.items() if v}} for f in kind.fields()}
    return {"what": _sentence(kind), "source": kind.source, "parameters": parameters}


def _sentence(kind: type[Defense]) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]


def _show_curve(outcome: Outcome, console: Console) -> None:
    table = Table(
        title=plain(f"by {outcome.strength}, 95 % intervals in brackets", "table.title"), title_justify="left"
    )
    table.add_column("", justify="right")
    for name in ("CDA", "ASR", "RA"):
        table.add_column(name, justify="right")
    for point in outcome.curve:
        table.add_row(f"{point.strength:g}", *map(_both, (point.cda, point.asr, point.ra)))
    console.print(table)


def _both(rate: Proportion | None) -> str:
    return "-" if rate is None else f"{rate.value:.3f} ({rate.low:.2f}…{rate.high:.2f})"
