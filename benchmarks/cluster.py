"""Clips per second that two workers of a Dask cluster on this machine write, beside two local ones.

Usage: python -m benchmarks.cluster FOLDER (of a data set); exit code 1 when the cluster is slower than 0.95 times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from benchmarks.measuring import Figure, copy_rate, ratios, report, taking_turns
from poisonkit import layouts
from poisonkit import plan as planning

LIMIT = 0.95
REPEATS = 5
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""What Dask's nanny sets for its workers: the local ones get the same, so that only who hands out jobs differs."""


def main(source: Path) -> int:
    """Measure both in turn; returns the exit code."""
    os.environ.update(ONE_THREAD)  # which the processes that are started inherit
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
            local, far = (partial(measure, source, folder, place) for place in (None, address))
            found = taking_turns({"local": local, "far": far}, REPEATS)
        finally:
            workers.terminate()
            workers.wait()
            scheduler.terminate()
            scheduler.wait()
    figure = Figure("two workers of a cluster ÷ two local ones", LIMIT, ratios(found["far"], found["local"]))
    return report([figure], f"clips/s, {REPEATS} rounds")


def measure(source: Path, folder: Path, scheduler: str | None) -> float:
    """Clips per second of the writing alone, once all workers have imported what they need."""
    plan = planning.poison(layouts.read(source), planning.Request(("badnet",), rate=0.5))
    return copy_rate(plan, folder, quality="high", carry="reencode", workers=2, scheduler=scheduler)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
