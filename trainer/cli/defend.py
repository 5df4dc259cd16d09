"""`trainer defend` and `trainer defenses`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.cli.options import Json, print_json


def defend(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run, or of a fused model.")],
    defense: Annotated[str, typer.Option(help="The defense; `trainer defenses` lists them.")],
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the defense.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Try a defense on a run and measure what it finds or repairs.

    It is fed with what a defender has: the model, clips without flags, and a tenth of the test clips, at least one of
    each class, known to be clean, which are left out of the figures. Kept in RUN/defenses/NAME/: outcome.json,
    scores.csv, plot.svg.
    """
    from trainer import defenses
    from trainer.cli import defense_tables
    from trainer.progress import Progress

    built = defenses.build(defense, set_ or [])
    result = built.defend(run, Progress())
    print_json(result) if json else defense_tables.show_outcome(result, str(run / "defenses" / built.name))


def list_defenses(
    name: Annotated[str | None, typer.Argument(help="One defense.", show_default=False)] = None,
    json: Json = False,
) -> None:
    """List the defenses with their parameters, units, ranges, defaults and sources."""
    import msgspec

    from trainer import defenses as registry
    from trainer.cli import defense_tables

    kinds = [registry.find(known) for known in ([name] if name else registry.names())]
    if json:
        content = msgspec.json.encode({kind.name: defense_tables.describe(kind) for kind in kinds})
        print(msgspec.json.format(content, indent=2).decode())
    else:
        defense_tables.show_defenses(kinds)
