"""Milliseconds per frame that the triggers on pixels take on one core, beside the limits that they are held to.

Usage: python benchmarks/triggers.py; exit code 1 when a static trigger misses its limit.
"""

from __future__ import annotations

import os
import sys
import time
from statistics import median

import cv2
import numpy as np
from rich.console import Console

from poisonkit.cli import table_layout
from poisonkit.triggers import TRIGGERS, PixelTrigger

LIMITS = {"sig": 0.2, "blend": 0.2, "badnet": 0.2, "ftrojan": 0.4, "wanet": 0.6}
"""Milliseconds for a frame of 256×320 pixels."""
CHUNK, HEIGHT, WIDTH = 32, 256, 320
REPEATS = 25


def main() -> int:
    """Measure all of them; returns the exit code."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    frames = np.random.default_rng(0).integers(0, 256, (CHUNK, HEIGHT, WIDTH, 3), dtype=np.uint8)
    table = table_layout.table(
        "ms per frame of 256×320, one core (medians)",
        "trigger",
        "static",
        "dynamic",
        "limit",
        numbers=("static", "dynamic", "limit"),
    )
    missed = []
    for name, kind in TRIGGERS.items():
        if not issubclass(kind, PixelTrigger):
            continue
        taken = {mode: measure(kind.build(mode, {}), frames) for mode in ("static", "dynamic")}
        limit = LIMITS.get(name)
        if limit is not None and taken["static"] > limit:
            missed.append(name)
        table.add_row(name, f"{taken['static']:.3f}", f"{taken['dynamic']:.3f}", "" if limit is None else f"{limit:g}")
    Console().print(table)
    if missed:
        sys.stdout.write(f"over the limit: {', '.join(missed)}\n")
    return 1 if missed else 0


def measure(trigger: PixelTrigger, frames: np.ndarray) -> float:
    """Milliseconds per frame, median over the repeats after a first one that fills caches."""
    drawn = trigger.draw(10_000, frames.shape[1:3], np.random.default_rng(0))
    placed = np.ones(len(frames), dtype=bool)
    times = []
    for repeat in range(REPEATS + 1):
        indices = np.arange(len(frames)) + repeat * len(frames)
        begun = time.perf_counter()
        trigger(frames, indices, placed, drawn)
        times.append(time.perf_counter() - begun)
    return 1000 * median(times[1:]) / len(frames)


if __name__ == "__main__":
    sys.exit(main())
