"""What all benchmarks share: taking turns, a clip set, and the table of figures with their bars."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import cv2
import imageio_ffmpeg
import numpy as np
import torch
from rich.console import Console

from poisonkit import layouts
from poisonkit.cli import table_layout
from poisonkit.demo import MOTIONS, make_demo
from poisonkit.layouts import Listing
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.plan import Plan
from poisonkit.run import run
from poisonkit.run.settings import Settings
from poisonkit.versions import versions


@dataclass(frozen=True)
class Asked:
    """What a benchmark was asked for; it leaves nothing outside `folder`.

    `data`: a data set instead of demo clips; `only`: the names of its parts, all without them.
    """

    folder: Path
    data: Path | None = None
    rounds: int = 5
    clips: int = 16
    only: Sequence[str] = ()

    def wants(self, part: str) -> bool:
        """Whether a part is to be measured."""
        return not self.only or part in self.only


@dataclass(frozen=True)
class Figure:
    """One figure with its bar: a ratio, or seconds or megabytes.

    `values`: one for each round; `at_least`: whether the bar is a lower bound.
    """

    name: str
    bar: float
    values: tuple[float, ...]
    at_least: bool = True
    unit: str = "×"

    @property
    def holds(self) -> bool:
        """Whether the median meets the bar."""
        return median(self.values) >= self.bar if self.at_least else median(self.values) <= self.bar


class Clock:
    """A reporter that takes the time of a run's last step: the writing, without planning and trials."""

    def __init__(self) -> None:
        self.clips, self.begun, self.ended = 0, 0.0, 0.0

    def say(self, text: str) -> None:
        """Be silent."""

    def begin(self, title: str, total: float, clips: int) -> None:
        """The clock starts again."""
        self.clips, self.begun = clips, time.perf_counter()

    def advance(self, work: float) -> None:
        """One more is done."""
        self.ended = time.perf_counter()

    @property
    def rate(self) -> float:
        """Clips per second."""
        return self.clips / (self.ended - self.begun)


def taking_turns(contestants: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each contestant returns, round after round (A B A B …), after one round that fills caches."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, measure in contestants.items():
            value = measure()
            if turn:
                found[name].append(value)
    return found


def ratios(over: Iterable[float], under: Iterable[float]) -> tuple[float, ...]:
    """The quotient of each round."""
    return tuple(a / b for a, b in zip(over, under, strict=True))


def seconds(work: Callable[[], object]) -> float:
    """Wall-clock seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def clips(folder: Path, data: Path | None, size: tuple[int, int], count: int) -> Listing:
    """A data set to measure on: `data`, or a demo data set of at least `count` test clips of that size, made once."""
    if data is None:
        data = folder / f"demo-{size[0]}x{size[1]}-{count}"
        if not data.exists():
            # one class is the target, of which there are no sham copies
            make_demo(data, clips_per_class_train=1, clips_per_class_test=-(-count // (len(MOTIONS) - 1)), size=size)
    return layouts.read(data)


def copy_rate(plan: Plan, folder: Path, options: CopyOptions, *, workers: int, scheduler: str | None = None) -> float:
    """Clips per second at which a copy is written into a folder, from which it is taken away again."""
    clock = Clock()
    place = Settings(folder / "copy", folder / "copy.json", options, workers, scheduler, force=True)
    run.poison(plan, place, clock)
    shutil.rmtree(place.out)
    place.manifest.unlink()
    return clock.rate


def command(doc: str | None, measure: Callable[[Asked], Iterable[Figure]], title: str) -> int:
    """Run one benchmark from the command line; returns the exit code, 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a data set instead of demo clips")
    parser.add_argument("--rounds", type=int, default=Asked.rounds)
    parser.add_argument("--clips", type=int, default=Asked.clips)
    parser.add_argument("--only", nargs="*", default=(), help="parts of it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = list(measure(Asked(Path(name), asked.data, asked.rounds, asked.clips, asked.only)))
    return report(found, f"{title}, {asked.rounds} rounds")


def machine() -> str:
    """Processor, cores and versions, as one line."""
    model = "unknown processor"
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    cores = len(os.sched_getaffinity(0))
    made = versions()
    return (
        f"{model}, {cores} cores; Python {platform.python_version()}, torch {torch.__version__}, numpy "
        f"{np.__version__}, OpenCV {cv2.__version__}, PyAV {made['PyAV']} ({made['FFmpeg'].split()[1]}), "
        f"ffmpeg program {imageio_ffmpeg.get_ffmpeg_version()}"
    )


def report(figures: Iterable[Figure], title: str) -> int:
    """Print the figures; returns the exit code, 1 where a bar is missed."""
    found = list(figures)
    numbers = ("median", "least", "most", "bar")
    table = table_layout.table(title, "figure", *numbers, "", numbers=numbers)
    for figure in found:
        table.add_row(figure.name, *_cells(figure), "holds" if figure.holds else "MISSED")
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(table)
    console.print(machine(), highlight=False)
    return 0 if all(figure.holds for figure in found) else 1


def markdown(figures: Iterable[Figure], title: str) -> str:
    """The figures as a table, and what they were measured on."""
    lines = [title, "", "| figure | median | least | most | bar | |", "| --- | ---: | ---: | ---: | ---: | --- |"]
    lines += [
        f"| {' | '.join([figure.name, *_cells(figure)])} | {'holds' if figure.holds else 'missed'} |"
        for figure in figures
    ]
    return "\n".join([*lines, "", machine(), ""])


def _cells(figure: Figure) -> list[str]:
    shown = [f"{value:.2f} {figure.unit}" for value in (median(figure.values), min(figure.values), max(figure.values))]
    return [*shown, f"{'≥' if figure.at_least else '≤'} {figure.bar:g} {figure.unit}"]
