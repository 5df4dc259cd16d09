"""`poisonkit attacks`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poisonkit.cli import options, output

if TYPE_CHECKING:
    from poisonkit.triggers import Trigger


def attacks(
    name: Annotated[str | None, typer.Argument(help="One attack, in detail.", show_default=False)] = None,
    as_json: options.Json = False,
) -> None:
    """List the triggers with their parameters, units, ranges, defaults and sources."""
    from poisonkit.cli import tables
    from poisonkit.triggers import TRIGGERS, find

    shown = TRIGGERS if name is None else {name: find(name)}
    if as_json:
        output.show_json({key: _describe(kind) for key, kind in shown.items()})
    elif name is None:
        output.show(tables.trigger_list(TRIGGERS))
        sys.stdout.write("\nparameters of one: poisonkit attacks NAME\n")
    else:
        output.show(tables.trigger_detail(shown[name]))


def _describe(kind: type[Trigger]) -> dict[str, Any]:
    params = {
        f.name: {"default": f.default, **{k: v for k, v in f.metadata.items() if v not in ("", (), False)}}
        for f in kind.fields()
    }
    return {"modality": kind.modality, "source": kind.source, "params": params}
