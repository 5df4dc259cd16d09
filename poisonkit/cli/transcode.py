"""`poisonkit transcode`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from poisonkit.cli import option_groups, options, output


def transcode(
    manifest: options.ManifestFile,
    crf: Annotated[int, typer.Option(help="Quality of H.264: 18 is good, 28 usual for platforms, 35 poor.")] = 28,
    scale: Annotated[float, typer.Option(help="Scale of the frames: new height and width over the old.")] = 1.0,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second of the new clips.", show_default="as they are")
    ] = None,
    view: options.View = "256/224",
    out: Annotated[
        Path | None, typer.Option(help="Folder of the new clips.", show_default="./<manifest name>-transcoded")
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option("--manifest", help="Where the new manifest goes.", show_default="manifests/<name of --out>.json"),
    ] = None,
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Re-encode a copy's test clips as a video platform would: at lower quality, smaller, at another frame rate.

    The new manifest holds the test splits alone, with what survived; `trainer evaluate RUN MANIFEST` takes it.

    Example: poisonkit transcode manifests/ucf101-sig.json --crf 28 --scale 0.5 --fps 25
    """
    from poisonkit import transcode as transcoding
    from poisonkit.cli import facts, fidelity_tables, table_layout
    from poisonkit.fidelity.video import parse_view

    folder = out or Path(f"{manifest.stem}-transcoded")
    path = to or Path("manifests") / f"{folder.name}.json"
    platform = transcoding.Platform(crf, scale, fps)
    screen = output.screen()
    try:
        made = transcoding.transcode(
            manifest,
            folder,
            path,
            platform,
            screen,
            workers=option_groups.count_workers(workers),
            view=parse_view(view),
        )
    finally:
        screen.end()
    if as_json:
        output.show_json({"manifest": str(path), "out": str(folder), "splits": made.splits})
        return
    output.show(table_layout.facts("Transcoded clips", facts.of_manifest(made)))
    output.show(fidelity_tables.fidelity(made))
    sys.stdout.write(f"\nmanifest: {path}\nnext: trainer evaluate RUN {path}\n")
