"""`poisonkit poison` beside FFmpeg's own program, which decodes and encodes the same clips without a trigger.

Usage: python -m benchmarks.poison [--data FOLDER] [--rounds 5] [--clips 16] [--only badnet lossless sound workers];
exit code 1 where a bar is missed. Both use two processes of one thread each and the same encoder settings; each round
measures all in turn.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import imageio_ffmpeg

from benchmarks.measuring import Asked, Figure, clips, command, copy_rate, ratios, seconds, taking_turns
from poisonkit.manifest import Rung
from poisonkit.media.encoders import container_of, determinism, encoder
from poisonkit.media.video import examine
from poisonkit.plan import plan as planning
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.job import Job
from poisonkit.plan.plan import Plan
from poisonkit.plan.request import Request

SIZE = (640, 360)
WORKERS = 2
BARS = {
    "badnet": (1.0, 0.9),
    "sig": (0.9, 0.8),
    "blend": (0.9, 0.8),
    "ftrojan": (0.9, 0.8),
    "motion-blur": (0.9, 0.8),
    "wanet": (0.8, 0.7),
    "frame-lag": (0.8, 0.7),
}
"""Times FFmpeg's clips per second, without and with survival measured.

The latter once with sham copies of the same clips, as `poison` makes them, which are the control then, and once
without, where every clip takes a control of its own.
"""
LOSSLESS = (0.95, 0.7)
SOUND = 0.9
SCALING = 1.85
_FFMPEG = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]


class Bench:
    """Triggered copies of one set of clips, and FFmpeg's copies of the same clips."""

    def __init__(self, folder: Path, data: Path | None, count: int) -> None:
        self._folder, self._count = folder, count
        self._listing = clips(folder, data, SIZE, count)

    def plan(self, attack: str, *, sham: bool = False) -> Plan:
        """Always the same test clips, each with the trigger, and with their sham copies or without: none is carried."""
        made = planning.poison(self._listing, Request((attack,), rate=0.5, sham="all"))
        copies = {job.clip_id: job for job in made.jobs if job.split == "test_sham"}
        jobs = [job for job in made.jobs if job.split == "test_triggered" and job.clip_id in copies][: self._count]
        jobs += [copies[job.clip_id] for job in jobs if sham]
        return dataclasses.replace(made, jobs=tuple(jobs))

    def poisonkit(
        self, attack: str, rung: Rung, *, survival: bool = True, sham: bool = False, workers: int = WORKERS
    ) -> float:
        """Clips per second of one copy."""
        plan = self.plan(attack, sham=sham)
        return copy_rate(plan, self._folder, CopyOptions(rung, survival=survival), workers=workers)

    def ffmpeg(self, options: Callable[[Path], Sequence[str]], jobs: Sequence[Job]) -> float:
        """Clips per second of FFmpeg's program with each clip's options, as many at a time as there are workers."""
        with tempfile.TemporaryDirectory(dir=self._folder) as name:
            lines = []
            for k, job in enumerate(jobs):
                source = self._listing.root / job.path
                out = Path(name) / f"{k}{source.suffix}"
                lines.append(
                    [*_FFMPEG, "-threads", "1", "-i", str(source), *options(source), "-threads", "1", str(out)]
                )
            with ThreadPoolExecutor(WORKERS) as pool:
                work = partial(subprocess.run, check=True)
                return len(lines) / seconds(lambda: list(pool.map(work, lines)))

    def encoding(self, rung: Rung) -> Callable[[Path], Sequence[str]]:
        """FFmpeg's options for the pictures of a rung, with the sound copied."""

        def options(source: Path) -> list[str]:
            spec = encoder(rung, examine(source), container_of(source.name))
            told = {**dict(spec.options), **determinism(spec.codec)}
            chosen = [part for key, value in told.items() for part in (f"-{key}", value)]
            codec = ["-c:v", spec.codec, "-pix_fmt", spec.pix_fmt, *chosen]
            return ["-fps_mode", "passthrough", *codec, "-c:a", "copy"]

        made: dict[Path, list[str]] = {}  # examining is no part of what is measured
        for job in self.plan("badnet").jobs:
            made[self._listing.root / job.path] = options(self._listing.root / job.path)
        return made.__getitem__


def figures(asked: Asked) -> Iterator[Figure]:
    """Every figure of poisoning, each held against its bar."""
    bench, rounds = Bench(asked.folder, asked.data, asked.clips), asked.rounds
    high = bench.encoding("high")
    for attack, bars in BARS.items():
        if asked.wants(attack):
            yield from _against(bench, high, attack, "high", bars, rounds)
    if asked.wants("lossless"):
        yield from _against(bench, bench.encoding("lossless"), "badnet", "lossless", LOSSLESS, rounds)
    if asked.wants("sound"):
        jobs = bench.plan("sine").jobs
        sound = ("-c:v", "copy", "-c:a", "aac", "-b:a", "128k")
        found = taking_turns(
            {
                "ours": lambda: bench.poisonkit("sine", "match", survival=False),
                "theirs": lambda: bench.ffmpeg(lambda _: sound, jobs),
            },
            rounds,
        )
        yield Figure("sine, video copied ÷ ffmpeg", SOUND, ratios(found["ours"], found["theirs"]))
    if asked.wants("workers"):
        found = taking_turns(
            {str(n): partial(bench.poisonkit, "badnet", "high", workers=n) for n in (1, WORKERS)}, rounds
        )
        yield Figure("badnet, 2 workers ÷ 1", SCALING, ratios(found["2"], found["1"]))


def _against(
    bench: Bench,
    options: Callable[[Path], Sequence[str]],
    attack: str,
    rung: Rung,
    bars: tuple[float, float],
    rounds: int,
) -> Iterator[Figure]:
    jobs = bench.plan(attack).jobs
    found = taking_turns(
        {
            "lean": partial(bench.poisonkit, attack, rung, survival=False),
            "theirs": partial(bench.ffmpeg, options, jobs),
            "paired": partial(bench.poisonkit, attack, rung, sham=True),
            "whole": partial(bench.poisonkit, attack, rung),
        },
        rounds,
    )
    yield Figure(f"{attack}, {rung} ÷ ffmpeg", bars[0], ratios(found["lean"], found["theirs"]))
    for name, what in (("paired", "with sham copies and survival"), ("whole", "with survival alone")):
        yield Figure(f"{attack}, {rung}, {what} ÷ ffmpeg", bars[1], ratios(found[name], found["theirs"]))


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "poison"))
