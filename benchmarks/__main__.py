"""All benchmarks, one after another, as one table.

Usage: python -m benchmarks [--quick] [--data FOLDER] [--rounds 5] [--clips 16] [--out FILE.md]; exit code 1 where a
bar is missed. Nothing is downloaded. Let the machine do nothing else meanwhile.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import cluster, fusing, loader, poison, start, training
from benchmarks.measuring import Asked, Figure, markdown, report

QUICK = {"poison": ("badnet", "sig", "frame-lag", "sound"), "start": ("help", "memory"), "training": ("views", "step")}
"""What a quick run takes of each; the others are left out of it."""


def main() -> int:
    """Measure all of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a part of it, in about three minutes")
    parser.add_argument("--data", type=Path, help="a data set instead of demo clips")
    parser.add_argument("--rounds", type=int, default=Asked.rounds)
    parser.add_argument("--clips", type=int, default=Asked.clips, help="that are poisoned in a round")
    parser.add_argument("--out", type=Path, help="also write the table as Markdown")
    parser.add_argument("--only", nargs="*", default=(), help="of poison, start, cluster, loader, training, fusing")
    asked = parser.parse_args()
    parts: dict[str, Callable[[Asked], Iterable[Figure]]] = {
        "poison": poison.figures,
        "start": start.figures,
        "cluster": cluster.figures,
        "loader": loader.figures,
        "training": training.figures,
        "fusing": fusing.figures,
    }
    rounds, clips = (1, 4) if asked.quick else (asked.rounds, asked.clips)
    found: list[Figure] = []
    for name, measure in parts.items():
        if (asked.only and name not in asked.only) or (asked.quick and name not in QUICK):
            continue
        with tempfile.TemporaryDirectory() as folder:
            only = QUICK[name] if asked.quick else ()
            for figure in measure(Asked(Path(folder), asked.data, rounds, clips, only)):
                sys.stderr.write(f"{figure}\n")
                found.append(figure)
    title = f"{rounds} rounds, taken in turn, {clips} clips a round{'; a quick look' if asked.quick else ''}"
    if asked.out:
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(markdown(found, title))
    return report(found, title)


if __name__ == "__main__":
    sys.exit(main())
