"""Clips per second that two workers of a Dask cluster on this machine write, beside two local ones.

Usage: python benchmarks/cluster.py FOLDER (of a data set); exit code 1 when the cluster is slower than 0.95 times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from rich.console import Console

from poisonkit import layouts, run, show
from poisonkit import plan as planning

LIMIT = 0.95
REPEATS = 5
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""What Dask's nanny sets for its workers: the local ones get the same, so that only who hands out jobs differs."""


class Clock:
    """A reporter that takes the time of the last step."""

    def __init__(self) -> None:
        self.clips, self.begun, self.ended = 0, 0.0, 0.0

    def say(self, text: str) -> None:
        pass

    def begin(self, title: str, total: float, clips: int) -> None:
        self.clips, self.begun = clips, time.perf_counter()

    def advance(self, work: float) -> None:
        self.ended = time.perf_counter()


def main(source: Path) -> int:
    """Measure both in turn; returns the exit code."""
    os.environ.update(ONE_THREAD)  # which the processes that are started inherit
    rates: dict[str, list[float]] = {"two local workers": [], "two workers of a cluster": []}
    with tempfile.TemporaryDirectory(prefix="poisonkit-", dir=source.absolute().parent) as name:
        folder = Path(name)
        file = folder / "scheduler.json"
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        dask = [sys.executable, "-m", "dask"]
        told = ["--scheduler-file", str(file), "--no-dashboard"]
        scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *told], **quiet)
        workers = subprocess.Popen([*dask, "worker", "--nworkers", "2", "--nthreads", "1", *told], **quiet)
        try:
            while not file.exists():
                time.sleep(0.1)
            time.sleep(5)
            address = json.loads(file.read_text())["address"]
            for repeat in range(REPEATS):
                for kind, far in zip(rates, (None, address), strict=True):
                    rates[kind].append(measure(source, folder / f"{repeat}-{far is None}", far))
        finally:
            workers.terminate()
            workers.wait()
            scheduler.terminate()
            scheduler.wait()
    table = show.table(f"clips/s, medians of {REPEATS}", "", "clips/s", "all", numbers=("clips/s",))
    for kind, found in rates.items():
        table.add_row(kind, f"{median(found):.2f}", " ".join(f"{rate:.2f}" for rate in found))
    Console(width=120).print(table)
    local, far = (median(found) for found in rates.values())
    sys.stdout.write(f"cluster ÷ local: {far / local:.3f}\n")
    return 1 if far / local < LIMIT else 0


def measure(source: Path, folder: Path, scheduler: str | None) -> float:
    """Clips per second of the writing alone, once all workers have imported what they need."""
    plan = planning.poison(layouts.read(source), planning.Request(("badnet",), rate=0.5))
    clock = Clock()
    settings = run.Settings(
        folder / "out", folder / "m.json", "high", carry="reencode", workers=2, scheduler=scheduler, force=True
    )
    run.poison(plan, settings, clock)
    return clock.clips / (clock.ended - clock.begun)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
