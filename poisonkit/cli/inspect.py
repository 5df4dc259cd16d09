"""`poisonkit inspect`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from poisonkit.cli import options, output


def inspect(
    manifest: options.ManifestFile,
    views: Annotated[
        str | None,
        typer.Option(
            metavar="WINDOWSxCROPS",
            help="Report in which of a victim's test views and training crops the trigger is seen, such as 10x3 or "
            "1x1@256/224; 1, 3 or 10 crops.",
            show_default=False,
        ),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            metavar="WINDOW",
            help="With --views: the victim's sampling, if the placement was made for another one.",
            show_default="the manifest's",
        ),
    ] = None,
    lpips: Annotated[
        bool,
        typer.Option("--lpips", help="Also measure LPIPS of the triggered test clips (needs the package lpips)."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show what a manifest holds: header, splits, and how much of the trigger is left in the files."""
    import msgspec

    from poisonkit import manifest as contract
    from poisonkit.audit import lpips as perceived
    from poisonkit.cli import facts, fidelity_tables, table_layout, tables
    from poisonkit.fidelity import summary
    from poisonkit.fidelity.visibility import Views, sight
    from poisonkit.manifest.window import Window

    made = contract.load(manifest)
    seen = []
    if views is not None:
        seen = sight(made, Views.parse(views), None if window is None else Window.parse(window))
    distances = perceived.lpips(manifest) if lpips else {}
    if as_json:
        lacking = [sample.id for attack in made.attacks for sample, _ in summary.lacking(made, attack.modality)]
        shown = {name: value for name, value in msgspec.to_builtins(made).items() if name != "samples"}
        shown["below_0.9"] = lacking
        if lpips:
            shown["lpips"] = distances
        if views is not None:
            shown["views"] = [asdict(part) for part in seen]
        output.show_json(shown)
        return
    output.show(table_layout.facts(str(manifest), facts.of_manifest(made)))
    if made.encoding.trials:
        output.show(tables.trials("Trials", made.encoding.trials))
    output.show(fidelity_tables.fidelity(made))
    if lpips:
        sys.stdout.write(perceived.summary(distances) + "\n\n")
    if views is not None:
        output.show(fidelity_tables.sights(views, seen))
