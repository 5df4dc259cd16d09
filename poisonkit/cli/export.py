"""`poisonkit export`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from poisonkit.cli import options, output


def export(
    manifest: options.ManifestFile,
    to: Annotated[
        str, typer.Option("--to", metavar="FORMAT", help="mmaction2, pytorchvideo or csv.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the lists.", show_default="lists/<manifest name>-<format>")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Write a manifest's clips as the annotation lists of another trainer.

    Accuracy on the list `test` is the CDA; `triggered` and `sham` hold the clips of other classes under the target's
    label, so that accuracy on them is the ASR and its floor.
    """
    from poisonkit import export as exporting

    folder = out or Path("lists") / f"{manifest.stem}-{to}"
    made = exporting.export(manifest, to, folder)
    if as_json:
        output.show_json({"files": {str(path): count for path, count in made.files.items()}, "hint": made.hint})
        return
    for path, count in made.files.items():
        output.line(f"{path}: {count} clips")
    sys.stdout.write("\n")
    output.line(f"read with: {made.hint}")
