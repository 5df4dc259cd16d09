"""The quality ladder at work: try the rungs on a few clips, and take the cheapest on which the trigger survives."""

from __future__ import annotations

import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poisonkit import seeding
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.jobs import Context, Job, Rung
from poisonkit.manifest import Survival, Trial
from poisonkit.media.encoders import LADDER
from poisonkit.media.video import peek
from poisonkit.plan import Plan
from poisonkit.pool import Pool
from poisonkit.rewrite import write

PASSES = 0.95
"""Gain and correlation that nine in ten trial clips must reach for `--quality auto` to take a rung."""
LISTED = 0.9
"""Gain and correlation that every trial clip must reach; written clips with less are listed."""
FAILS = 0.5
"""Median trial survival below which a rung asked for by name is refused."""
_CLIPS = 16
_CANDIDATES = 64
_FRAMES = 96
"""Frames of a trial clip: enough for the 64-frame period of a placement."""
_ESTIMATE_CLIPS = 4
_ESTIMATE_FRAMES = 24


@dataclass(frozen=True)
class TrialResult:
    """One trial clip on one rung: survival, bytes written, and bytes of the source for as many frames."""

    survival: Survival | None
    written: int
    source: float


Mapper = Callable[[Callable[..., TrialResult | None], Sequence[Job], Context], Iterable[TrialResult | None]]
"""Runs a trial on every job, on whatever workers there are."""


def trial_jobs(plan: Plan, source: Path) -> list[Job]:
    """Up to 16 clips for the trial, by hash, with the largest, the smallest and the stillest of 64 among them.

    The largest and smallest are by frame area, the stillest by bits per pixel: what changes little needs few bits.
    """
    jobs = [j for j in plan.written() if j.action == "trigger"] or plan.written()
    ordered = sorted(jobs, key=lambda job: seeding.key(plan.seed, job.id, "trial"))
    area: dict[str, int] = {}
    density: dict[str, float] = {}
    usable = []
    for job in ordered[:_CANDIDATES]:
        try:
            info = peek(source / job.path)
        except BrokenClip:
            continue
        usable.append(job)
        area[job.id] = info.width * info.height
        density[job.id] = info.bit_rate / float(info.fps) / max(area[job.id], 1)
    if not usable:
        return []
    special = [
        max(usable, key=lambda j: area[j.id]),
        min(usable, key=lambda j: area[j.id]),
        min(usable, key=lambda j: density[j.id]),
    ]
    chosen = {job.id: job for job in [*special, *usable]}
    return list(chosen.values())[:_CLIPS]


def trial(job: Job, context: Context, max_frames: int = _FRAMES) -> TrialResult | None:
    """Write the first frames of one clip to nowhere and say what was left; None for a clip that cannot be used."""
    source = context.source / job.path
    with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
        try:
            total = peek(source).num_frames
            outcome = write(job, context, Path(folder) / f"trial{source.suffix}", max_frames=max_frames)
        except BrokenClip:
            return None  # the run itself will say so
    share = min(1.0, outcome.sample.num_frames / max(total, 1))
    return TrialResult(outcome.sample.survival.get("video"), outcome.size, source.stat().st_size * share)


def choose(
    quality: str, jobs: Sequence[Job], context: Context, run: Mapper, *, force: bool
) -> tuple[Rung, list[Trial]]:
    """The rung to write with, and what every rung that was tried kept of the trigger."""
    rungs = _rungs(quality, jobs)
    trials: list[Trial] = []
    for rung in rungs:
        results = [r for r in run(trial, jobs, dataclasses.replace(context, rung=rung)) if r is not None]
        summary, middle = summarise(rung, results)
        trials.append(summary)
        if quality != "auto":
            if middle is not None and middle < FAILS and not force:
                raise PoisonkitError(
                    f"on rung {rung!r} only {middle:.2f} of the trigger is left (median of {summary.carrying} clips), "
                    f"so the copy would hold none; use --quality auto, or --force to write it all the same"
                )
            return rung, trials
        if _passes(summary):
            return rung, trials
    return rungs[-1], trials


def _passes(summary: Trial) -> bool:
    """Nothing to lose, or next to nothing lost: a single still clip should not make a whole data set lossless."""
    if summary.gain_min is None or summary.correlation_min is None:
        return True
    worst = min(summary.gain_min, summary.correlation_min)
    return worst >= LISTED and summary.passing >= 0.9 * summary.carrying


def summarise(rung: str, results: Sequence[TrialResult]) -> tuple[Trial, float | None]:
    """The trial as it goes into the manifest, and the median over clips of the lower of gain and correlation."""
    carrying = [r.survival for r in results if r.survival is not None and r.survival.gain is not None]
    gains = [s.gain for s in carrying if s.gain is not None]
    correlations = [s.correlation for s in carrying if s.correlation is not None]
    kept = sorted(min(g, c) for g, c in zip(gains, correlations, strict=True))
    summary = Trial(
        rung=rung,
        clips=len(results),
        carrying=len(carrying),
        passing=sum(1 for k in kept if k >= PASSES),
        gain_min=min(gains, default=None),
        correlation_min=min(correlations, default=None),
        bytes=sum(r.written for r in results),
        source_bytes=round(sum(r.source for r in results)),
    )
    return summary, kept[len(kept) // 2] if kept else None


def next_rung(rung: str) -> str | None:
    """The next dearer rung, None above `lossless`."""
    place = LADDER.index(rung)
    return LADDER[place + 1] if place + 1 < len(LADDER) else None


def estimate(plan: Plan, quality: str, reporter: Any, workers: int = 1) -> list[Trial]:
    """What the rungs in question make of the beginnings of a few clips, for `--dry-run`; empty if none decodes."""
    jobs = trial_jobs(plan, plan.listing.root)[:_ESTIMATE_CLIPS]
    rungs = _rungs(quality, jobs)
    context = Context(plan.listing.root, None, plan.seed, plan.attack, None)
    work = functools.partial(trial, max_frames=_ESTIMATE_FRAMES)
    trials = []
    with Pool(workers) as pool:
        for rung in rungs if jobs else ():
            reporter.begin(f"trying {rung}", len(jobs), len(jobs))
            results = []
            for _, result in pool.run(work, jobs, dataclasses.replace(context, rung=rung)):
                reporter.advance(1)
                if isinstance(result, TrialResult):
                    results.append(result)
            if results:
                trials.append(summarise(rung, results)[0])
    return trials


def _rungs(quality: str, jobs: Sequence[Job]) -> tuple[Rung, ...]:
    """The rungs to try: all for `auto`, but one where there is no trigger that has to survive."""
    if quality == "auto" and jobs and not any(job.action == "trigger" for job in jobs):
        return ("high",)
    rungs = LADDER if quality == "auto" else tuple(r for r in LADDER if r == quality)
    if not rungs:
        raise PoisonkitError(f"--quality {quality!r} does not exist; give auto or one of {', '.join(LADDER)}")
    return rungs
