"""`poisonkit scan`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from poisonkit.cli import options, output


def scan(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to look through.", show_default=False)],
    as_json: options.Json = False,
) -> None:
    """Find files that poisonkit has written, wherever they were moved, by the tag in their metadata.

    Exit code 1 if there are any.
    """
    from poisonkit.audit import scan as scanning

    result = scanning.scan(folder)
    if as_json:
        found = [{"path": str(finding.path), "tag": finding.tag} for finding in result.found]
        unreadable = [str(path) for path in result.unreadable]
        output.show_json({"files": result.files, "found": found, "unreadable": unreadable})
    else:
        for finding in result.found:
            output.line(f"{finding.path}: {finding.tag}")
        for path in result.unreadable:
            output.line(f"{path}: cannot be opened")
        output.line(f"{result.files} media files, {len(result.found)} signs of poisoned copies")
    if result.found:
        raise typer.Exit(1)
