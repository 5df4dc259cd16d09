"""`poisonkit index`."""

from __future__ import annotations

import sys
from pathlib import Path

from poisonkit.cli import options, output


def index(
    source: options.Source,
    layout: options.Layout = "auto",
    annotations: options.Annotations = None,
    split: options.Split = "1",
    classes: options.Classes = None,
    seed: options.Seed = 0,
    test_limit: options.TestLimit = None,
    manifest: options.ManifestOfSource = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    skip_broken: options.SkipBroken = False,
    hash_all: options.HashAll = False,
    as_json: options.Json = False,
) -> None:
    """Write a manifest of the unchanged data set: the baseline. Nothing is copied."""
    from poisonkit.cli import _data, table_layout, tables
    from poisonkit.plan import plan as planning
    from poisonkit.run import run
    from poisonkit.run.settings import Settings

    listing = _data.listing(source, layout, annotations, split, seed, classes, test_limit)
    settings = Settings(
        out=source,
        manifest=manifest or Path("manifests") / f"{source.resolve().name}.json",
        skip_broken=skip_broken,
        hash_all=hash_all,
        workers=_data.workers(workers, scheduler),
        scheduler=scheduler,
    )
    screen = output.screen()
    screen.say(_data.recognised(listing))
    try:
        made = run.index(planning.index(listing, seed), settings, screen).manifest
    finally:
        screen.end()
    if as_json:
        output.show_json({"manifest": str(settings.manifest), "splits": made.splits})
        return
    output.show(table_layout.facts("Data set", tables.manifest_facts(made)))
    sys.stdout.write(f"\nmanifest: {settings.manifest}\nnext: trainer fit {settings.manifest}\n")
