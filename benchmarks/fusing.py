"""A grid of nine runs on pictures with three on sound, beside one look of each network at its own clips.

Usage: python -m benchmarks.fusing [--rounds 5]; exit code 1 where the bar is missed.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.copies import clean, poisoned, source, trained
from benchmarks.measuring import Asked, Figure, command, ratios, seconds, taking_turns
from trainer.evaluation import inference
from trainer.fusion.grid import grid
from trainer.manifest import SHAM, TRIGGERED
from trainer.progress import Progress
from trainer.runs import loaded_run as finished

GRID = 1.3
VIDEOS, AUDIOS = 9, 3


def figures(asked: Asked) -> Iterator[Figure]:
    """The late grid; the clean pair's floors on every attack, which no network's own clips need, are in it."""
    data = source(asked, 4, 2)
    quiet = Progress()
    quiet.console.quiet = True
    folders = [
        runs_of(asked, data, model, attack, count)
        for model, attack, count in (("i3d", "badnet", VIDEOS), ("audio", "sine", AUDIOS))
    ]

    def looks() -> float:
        forget(asked.folder)
        return seconds(lambda: look([*folders[0], *folders[1]], quiet))

    def fused() -> float:
        forget(asked.folder)
        out = asked.folder / "fused"
        shutil.rmtree(out, ignore_errors=True)
        return seconds(lambda: grid(folders[0], folders[1], "late", "logits", out, quiet))

    taken = taking_turns({"looks": looks, "grid": fused}, asked.rounds)
    yield Figure(
        "fused 9 × 3 grid ÷ one look of each network", GRID, ratios(taken["grid"], taken["looks"]), at_least=False
    )


def runs_of(asked: Asked, data: Path, model: str, attack: str, count: int) -> Sequence[Path]:
    """A clean run, and an attacked one under as many names as the grid needs."""
    folders = [trained(clean(asked, data), model, asked.folder / f"{model}-clean")]
    first = trained(poisoned(asked, data, attack), model, asked.folder / f"{model}-{attack}-1")
    for k in range(2, count):
        shutil.copytree(first, asked.folder / f"{model}-{attack}-{k}", dirs_exist_ok=True)
    return [*folders, *(asked.folder / f"{model}-{attack}-{k}" for k in range(1, count))]


def look(folders: Sequence[Path], quiet: Progress) -> None:
    """What each network makes of its own test clips."""
    for folder in folders:
        run = finished.load(folder)
        for split in ("test", TRIGGERED, SHAM):
            inference.of_run(run, split, quiet)


def forget(folder: Path) -> None:
    """Take away what was kept of earlier looks."""
    for kept in folder.glob("*/features"):
        shutil.rmtree(kept)


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "fusing"))
