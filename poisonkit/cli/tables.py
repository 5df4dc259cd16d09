"""Tables for people: triggers with their parameters, trials of the quality ladder, strengths that were tried."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from poisonkit.cli.table_layout import number, plain, size, table
from poisonkit.fidelity.summary import PASSES
from poisonkit.manifest import Trial
from poisonkit.triggers import Trigger
from poisonkit.triggers._params import allowed
from poisonkit.tune import Tried


def trigger_list(triggers: dict[str, type[Trigger]]) -> Table:
    """One line a trigger."""
    made = table("Attacks", "name", "modality", "what it does", "source")
    for name, kind in triggers.items():
        made.add_row(*map(plain, (name, kind.modality, _first_sentence(kind), kind.source)))
    return made


def trigger_detail(kind: type[Trigger]) -> Group:
    """Everything about one trigger: its docstring and its parameters."""
    title = f"Parameters of {kind.name} (--set {kind.name}.PARAM=VALUE)"
    made = table(title, "name", "default", "range", "unit", "meaning")
    for field in kind.fields():
        cells = (field.name, str(field.default), allowed(field), field.metadata["unit"], field.metadata["help"])
        made.add_row(*map(plain, cells))
    doc = "\n".join(line.removeprefix("    ") for line in (kind.__doc__ or "").replace("`", "").strip().split("\n"))
    return Group(
        Text(f"{kind.name} ({kind.modality})", style="bold"),
        Text(doc),
        Text(f"\nSource: {kind.source}\n"),
        made,
    )


def _first_sentence(kind: type[Trigger]) -> str:
    return (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("`", "").strip().rstrip(".")


def trials(title: str, rows: Sequence[Trial], copies: Sequence[int] | None = None) -> Table:
    """What each rung kept of the trigger; `copies`: bytes of all written files on each rung."""
    columns = ["of", "rung", "clips", f"kept ≥ {PASSES:g}", "worst gain", "worst correlation", "size/source"]
    columns += [] if copies is None else ["copy"]
    made = table(title, *columns, numbers=columns[2:])
    for i, row in enumerate(rows):
        ratio = row.bytes / row.source_bytes if row.source_bytes else math.nan
        cells = [
            row.modality,
            row.rung,
            str(row.clips),
            f"{row.passing}/{row.carrying}",
            number(row.gain_min),
            number(row.correlation_min),
            f"{ratio:.2f}",
        ]
        made.add_row(*map(plain, cells), *([] if copies is None else [size(copies[i])]))
    return made


def tried(title: str, rows: Sequence[Tried]) -> Table:
    """Values of a trigger's strength, and what is left of each."""
    columns = ("value", "in view", "PSNR or SNR dB", "strength")
    made = table(title, *columns, numbers=columns)
    for row in rows:
        cells = (number(row.view, 2), number(row.fidelity_db, 1), number(row.strength, 1))
        made.add_row(f"{row.value:g}", *cells)
    return made
