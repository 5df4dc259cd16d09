"""How soon the programs answer, and the memory of a worker that poisons.

Usage: python -m benchmarks.start [--rounds 5] [--only help first memory]; exit code 1 where a bar is missed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.measuring import Asked, Figure, clips, command, seconds, taking_turns
from poisonkit.demo import MOTIONS, make_demo

HELP, FIRST, MEMORY = 0.25, 3.0, 300.0
UCF101 = 13_320
POISON = [sys.executable, "-m", "poisonkit", "poison"]


def figures(asked: Asked) -> Iterator[Figure]:
    """Seconds and megabytes, each under its bar."""
    if asked.wants("help"):
        for program, bar in (("poisonkit", HELP), ("trainer", HELP)):
            line = [sys.executable, "-m", program, "--help"]
            work = partial(subprocess.run, line, check=True, stdout=subprocess.DEVNULL)
            taken = taking_turns({"help": partial(seconds, work)}, asked.rounds)["help"]
            yield Figure(f"`{program} --help`", bar, tuple(taken), at_least=False, unit="s")
    if asked.wants("first"):
        data = large(asked.folder)
        taken = taking_turns({"first": lambda: first_clip(data, asked.folder)}, asked.rounds)["first"]
        name = f"first of {UCF101:,} clips is being written"
        yield Figure(name, FIRST, tuple(taken), at_least=False, unit="s")
    if asked.wants("memory"):
        root = clips(asked.folder, asked.data, (640, 360), asked.clips).root
        taken = taking_turns({"memory": lambda: worker_memory(root, asked.folder)}, asked.rounds)["memory"]
        yield Figure("peak memory of a worker, 640×360", MEMORY, tuple(taken), at_least=False, unit="MB")


def large(folder: Path) -> Path:
    """A data set as large as UCF-101 in class folders, of names for the same ten clips."""
    names = list(MOTIONS)
    few, root = folder / "few", folder / "ucf101"
    make_demo(few, clips_per_class_train=1, clips_per_class_test=1)
    sources = sorted(few.rglob("*.mp4"))
    for k in range(UCF101):
        split = "train" if k < UCF101 * 3 // 4 else "test"
        path = root / split / names[k // 3 % len(names)] / f"{k:05d}.mp4"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(sources[k % len(sources)], path)
    return root


def first_clip(data: Path, folder: Path) -> float:
    """Seconds from the start of the command to the first clip's file, which is then stopped."""
    out = folder / "copy"
    told = ["--attack", "badnet", "--quality", "high", "--out", str(out), "--manifest", str(folder / "copy.json")]
    begun = time.perf_counter()
    line = [*POISON, str(data), *told, "--force"]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as made:
        try:
            while made.poll() is None:
                if any(path.suffix == ".mp4" or ".partial" in path.name for path in out.rglob("*") if path.is_file()):
                    return time.perf_counter() - begun
                time.sleep(0.02)
        finally:
            made.kill()
            made.wait()
            shutil.rmtree(out, ignore_errors=True)
    raise RuntimeError("poisonkit ended before it wrote a clip")


def worker_memory(data: Path, folder: Path) -> float:
    """The most megabytes that a process of `poison` held at once, of all that it started."""
    code = (
        "import resource, subprocess, sys; "
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.stderr if done.returncode else 0)"
    )
    told = ["--attack", "badnet", "--rate", "0.5", "--quality", "high", "--out", str(folder / "copy")]
    told += ["--manifest", str(folder / "copy.json"), "--force"]
    line = [sys.executable, "-c", code, *POISON, str(data), *told]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return int(done.stdout) / 1024


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "start"))
