"""From options to what several commands work on."""

from __future__ import annotations

from pathlib import Path

from poisonkit.layouts import Listing, Options, read
from poisonkit.pool import available_cores


def listing(source: Path, layout: str, annotations: Path | None, split: str, seed: int) -> Listing:
    """The clips of a data set."""
    return read(source, layout, Options(annotations=annotations, split=split, seed=seed))


def workers(asked: int | None) -> int:
    """The number of processes: as asked, else one for each core."""
    return available_cores() if asked is None else asked
