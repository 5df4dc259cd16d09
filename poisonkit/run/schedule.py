"""Jobs in their order: paired with their sham copies, the dearest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec import structs

from poisonkit.clip.rewrite import Outcome, run_job
from poisonkit.errors import BrokenClip
from poisonkit.manifest import Skipped
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import Plan
from poisonkit.progress import Reporter
from poisonkit.run.journal import Entry
from poisonkit.run.settings import Settings
from poisonkit.workers.dask_client import Cluster
from poisonkit.workers.local import Pool

_COST = {"trigger": 6, "reencode": 6, "carry": 1, "examine": 1}
_MEASURING, _CONTROL = 2, 6
"""Work per byte of source, roughly, so that the time left is told well: of the clip itself, of its survival, and of a
control for that alone."""


def file_stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns)


def carry_out(
    plan: Plan,
    jobs: Sequence[Job],
    context: Context,
    pool: Pool | Cluster,
    settings: Settings,
    reporter: Reporter,
    title: str,
) -> Iterable[Entry]:
    """Do the jobs, the dearest first so that no worker ends alone; yields journal entries."""
    sizes = {clip.path: clip.size for clip in plan.listing.clips}
    paired = _paired(jobs)
    cost = {part.id: _cost(part, context) * (sizes[part.path] + 1) for job in paired for part in job.parts}
    paired.sort(key=lambda job: -sum(cost[part.id] for part in job.parts))
    reporter.begin(title, sum(cost.values()), len(jobs))
    for job, result in pool.run(run_job, paired, context):
        stamp = file_stamp(context.source / job.path)
        if isinstance(result, BrokenClip):
            if not settings.skip_broken:
                raise result
            reporter.say(f"skipped: {result.fact}")
        for part in job.parts:
            if isinstance(result, BrokenClip):
                reason = result.fact.replace(str(context.source), "SOURCE")
                yield Entry(part.id, stamp, skipped=Skipped(part.id, part.split, reason))
            else:
                yield _entry(part, stamp, result[part.id])
            reporter.advance(cost[part.id])


def _paired(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, those for sham copies in those that trigger the same clip, if both are there."""
    sham = {job.clip_id: job for job in jobs if job.split == "test_sham"}
    made = []
    for job in jobs:
        if job.split == "test_triggered":
            made.append(structs.replace(job, sham=sham.pop(job.clip_id, None)))
        elif job.split != "test_sham":
            made.append(job)
    return made + list(sham.values())


def _cost(job: Job, context: Context) -> int:
    cost = _COST[job.action]
    if context.options.survival and job.action == "trigger":
        cost += _MEASURING + (_CONTROL if job.sham is None else 0)
    return cost


def _entry(job: Job, stamp: tuple[int, int], outcome: Outcome) -> Entry:
    return Entry(
        job.id,
        stamp,
        sample=outcome.sample,
        carried=outcome.carried,
        size=outcome.size,
        encoder_line=outcome.encoder_line,
        sound_line=outcome.audio_line,
    )
