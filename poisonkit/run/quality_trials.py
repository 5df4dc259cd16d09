"""The quality ladder at work: try the rungs on a few clips, and take the cheapest on which the trigger survives."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from poisonkit.clip.rewrite import write
from poisonkit.clip.trial_clips import trial_jobs
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity.summary import FAILS, LISTED, PASSES
from poisonkit.manifest import Modality, Rung, Survival, Trial
from poisonkit.media import video
from poisonkit.media.audio_encoders import AUDIO_LADDER
from poisonkit.media.encoders import LADDER
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import Plan
from poisonkit.text import argument
from poisonkit.workers.local import Pool

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


def trial(job: Job, context: Context, max_frames: int = _FRAMES) -> TrialResult | None:
    """Write the first frames of one clip to nowhere and say what was left; None for a clip that cannot be used.

    `context` is that of one modality alone. Audio is written whole.
    """
    source = context.source / job.path
    (modality,) = context.rewritten(job)
    with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
        try:
            fraction = 1.0
            outcome = write(job, context, Path(folder) / f"trial{source.suffix}", max_frames=max_frames).outcome()
            if modality == "video" and context.geometry.clip is None:
                fraction = min(1.0, outcome.sample.num_frames / max(video.peek(source).num_frames, 1))
        except BrokenClip:
            return None  # the run itself will say so
    return TrialResult(outcome.sample.survival.get(modality), outcome.size, source.stat().st_size * fraction)


def choose(
    quality: str, modality: Modality, jobs: Sequence[Job], context: Context, run: Mapper, *, force: bool
) -> tuple[Rung, list[Trial]]:
    """The rung to re-encode one modality with, and what every rung that was tried kept of the trigger."""
    rungs = _rungs(quality, modality, jobs)
    trials: list[Trial] = []
    for rung in rungs:
        results = [r for r in run(trial, jobs, context.only(modality, rung)) if r is not None]
        summary, middle = summarise(rung, modality, results)
        trials.append(summary)
        if quality != "auto":
            if middle is not None and middle < FAILS and not force:
                raise PoisonkitError(
                    f"on rung {rung!r} only {middle:.2f} of the trigger is left (median of {summary.carrying} clips), "
                    "so the copy would hold none",
                    f"use {argument('quality', 'auto')}, or {argument('force', True)} to write it all the same",
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


def summarise(rung: str, modality: Modality, results: Sequence[TrialResult]) -> tuple[Trial, float | None]:
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
        modality=modality,
    )
    return summary, kept[len(kept) // 2] if kept else None


def next_rung(rung: str, modality: Modality) -> str | None:
    """The next dearer rung, None above `lossless`."""
    rungs = ladder(modality)
    place = rungs.index(rung)
    return rungs[place + 1] if place + 1 < len(rungs) else None


def ladder(modality: Modality) -> tuple[Rung, ...]:
    """The rungs of one modality, cheapest first."""
    return LADDER if modality == "video" else AUDIO_LADDER


def estimate(plan: Plan, quality: str, reporter: Any, workers: int = 1) -> list[Trial]:
    """What the rungs in question make of the beginnings of a few clips, for `--dry-run`; empty if none decodes."""
    context = Context(plan.listing.root, None, plan.seed, plan.attacks, geometry=plan.geometry)
    work = functools.partial(trial, max_frames=_ESTIMATE_FRAMES)
    trials = []
    with Pool(workers) as pool:
        for modality in plan.modalities():
            jobs = trial_jobs(plan, modality)[:_ESTIMATE_CLIPS]
            for rung in _rungs(quality, modality, jobs) if jobs else ():
                reporter.begin(f"trying {rung}", len(jobs), len(jobs))
                results = []
                for _, result in pool.run(work, jobs, context.only(modality, rung)):
                    reporter.advance(1)
                    if isinstance(result, TrialResult):
                        results.append(result)
                if results:
                    trials.append(summarise(rung, modality, results)[0])
    return trials


def estimated_bytes(plan: Plan, trials: Sequence[Trial]) -> int:
    """Bytes that the written clips will take, by what the trials made of their sources; one trial a modality."""
    sizes = {clip.path: clip.size for clip in plan.listing.clips}
    total = 0.0
    for job in plan.written():
        made = [t for t in trials if t.modality in plan.rewritten(job) and t.source_bytes]
        total += sizes[job.path] * max(1 + sum(t.bytes / t.source_bytes - 1 for t in made), 0)
    return round(total)


def _rungs(quality: str, modality: Modality, jobs: Sequence[Job]) -> tuple[Rung, ...]:
    """The rungs to try: all for `auto`, but one where there is no trigger that has to survive."""
    if quality == "auto" and jobs and not any(job.action == "trigger" for job in jobs):
        return ("high",)
    if quality == "auto":
        return ladder(modality)
    named = next((rung for rung in LADDER if rung == quality), None)
    if named is None:
        raise PoisonkitError(
            f"{argument('quality', quality)} does not exist", f"give auto or one of {', '.join(LADDER)}"
        )
    return (named if named in ladder(modality) else "high",)  # `near` is about video
