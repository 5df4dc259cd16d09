"""Clips per second that two workers of a Dask cluster on this machine write, beside two local ones.

Usage: python -m benchmarks.cluster [--data FOLDER] [--rounds 5]; exit code 1 where the bar is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measuring import Asked, Figure, clips, command, copy_rate, ratios, taking_turns
from benchmarks.poison import SIZE
from poisonkit.layouts import Listing
from poisonkit.plan import plan as planning
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.request import Request

LIMIT = 0.95
CLIPS = 18
ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
"""What Dask's nanny sets for its workers: the local ones get the same, so that only who hands out jobs differs."""


def figures(asked: Asked) -> Iterator[Figure]:
    """The cluster beside local workers."""
    os.environ.update(ONE_THREAD)  # which the processes that are started inherit
    listing = clips(asked.folder, asked.data, SIZE, CLIPS)
    file = asked.folder / "scheduler.json"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": asked.folder}
    dask = [sys.executable, "-m", "dask"]
    told = ["--scheduler-file", str(file), "--no-dashboard"]
    scheduler = subprocess.Popen([*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", *told], **quiet)
    workers = subprocess.Popen([*dask, "worker", "--nworkers", "2", "--nthreads", "1", *told], **quiet)
    try:
        while not file.exists():
            time.sleep(0.1)
        time.sleep(5)
        address = json.loads(file.read_text())["address"]
        local, far = (partial(measure, listing, asked.folder, place) for place in (None, address))
        found = taking_turns({"local": local, "far": far}, asked.rounds)
    finally:
        workers.terminate()
        workers.wait()
        scheduler.terminate()
        scheduler.wait()
    yield Figure("two workers of a Dask cluster ÷ two local ones", LIMIT, ratios(found["far"], found["local"]))


def measure(listing: Listing, folder: Path, scheduler: str | None) -> float:
    """Clips per second of the writing alone, once all workers have imported what they need."""
    plan = planning.poison(listing, Request(("badnet",), rate=0.5))
    return copy_rate(plan, folder, CopyOptions("high", "reencode"), workers=2, scheduler=scheduler)


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "cluster"))
