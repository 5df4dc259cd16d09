"""`poisonkit index`."""

from __future__ import annotations

import sys
from pathlib import Path

from poisonkit.cli import option_groups as groups
from poisonkit.cli import options, output
from poisonkit.cli.expand import expanded


@expanded
def index(
    data: groups.DataSet,
    machine: groups.Machine,
    seed: options.Seed = 0,
    manifest: options.ManifestOfSource = None,
    skip_broken: options.SkipBroken = False,
    hash_all: options.HashAll = False,
    as_json: options.Json = False,
) -> None:
    """Write a manifest of the unchanged data set: the baseline. Nothing is copied."""
    from poisonkit.cli import facts, table_layout
    from poisonkit.plan import plan as planning
    from poisonkit.plan.copy_options import CopyOptions
    from poisonkit.run import run
    from poisonkit.run.settings import Settings

    listing = data.listing(seed)
    settings = Settings(
        out=data.source,
        manifest=manifest or Path("manifests") / f"{data.source.resolve().name}.json",
        skip_broken=skip_broken,
        options=CopyOptions(hash_all=hash_all),
        workers=machine.count(),
        scheduler=machine.scheduler,
    )
    screen = output.screen()
    screen.say(groups.recognised(listing))
    try:
        made = run.index(planning.index(listing, seed), settings, screen).manifest
    finally:
        screen.end()
    if as_json:
        output.show_json({"manifest": str(settings.manifest), "splits": made.splits})
        return
    output.show(table_layout.facts("Data set", facts.of_manifest(made)))
    sys.stdout.write(f"\nmanifest: {settings.manifest}\nnext: trainer fit {settings.manifest}\n")
