"""A plan carried out: trial, estimate, workers, journal, manifest."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from poisonkit import manifest as contract
from poisonkit.clip.trial_clips import trial_jobs
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.files import FOLDER, NOTICE
from poisonkit.manifest import Encoding, Modality, Rung, Trial, file
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import Plan
from poisonkit.progress import Reporter
from poisonkit.run import assemble
from poisonkit.run import quality_trials as quality
from poisonkit.run.journal import Chosen, Entry, State
from poisonkit.run.preflight import check_manifest, check_places, check_space, finished_before
from poisonkit.run.schedule import carry_out, file_stamp
from poisonkit.run.settings import Result, Settings
from poisonkit.text import argument
from poisonkit.versions import versions
from poisonkit.workers import dask_client
from poisonkit.workers.dask_client import Cluster
from poisonkit.workers.local import Pool


def index(plan: Plan, settings: Settings, reporter: Reporter) -> Result:
    """A manifest of the unchanged data set: every clip is decoded and counted, nothing is copied."""
    check_manifest(settings.manifest, plan.listing.root)
    context = Context(plan.listing.root, None, plan.seed, options=settings.options)
    entries = []
    with dask_client.start(settings.workers, settings.scheduler) as pool:
        for entry in carry_out(plan, plan.jobs, context, pool, settings, reporter, "checking"):
            entries.append(entry)
    encoding = Encoding(quality="none", rung=None, video={}, audio="copy", carry="none")
    manifest = assemble.manifest(plan, settings.manifest, plan.listing.root, entries, encoding)
    contract.save(manifest, settings.manifest)
    return Result(manifest, settings.manifest)


def poison(plan: Plan, settings: Settings, reporter: Reporter) -> Result:
    """Write the poisoned copy and its manifest; continues an interrupted run of the same plan."""
    check_places(plan, settings)
    done = finished_before(plan, settings)
    if done is not None:
        return Result(done, settings.manifest, continued=len(done.samples), fresh=False)
    created = not settings.out.exists()
    state = State(settings.out)
    begun = state.chosen() is not None
    state.acquire()
    try:
        with dask_client.start(settings.workers, settings.scheduler) as pool:
            chosen = _choose(plan, settings, state, pool, reporter)
            continued = _write_all(plan, settings, state, chosen, pool, reporter)
    except BaseException:
        nothing_done = not begun and not state.entries()
        state.close()
        if nothing_done:  # a refused run leaves no trace
            _remove(settings.out, created, plan)
        raise
    finished = state.entries()  # only now: until then the journal holds them, and memory does not grow with the clips
    entries = [finished[job.id] for job in plan.jobs]
    encoding = assemble.encoding(chosen, entries, plan.geometry, reencoded=settings.options.carry == "reencode")
    manifest = assemble.manifest(plan, settings.manifest, settings.out, entries, encoding)
    (settings.out / NOTICE).write_text(file.notice(manifest), encoding="utf-8")
    contract.save(manifest, settings.manifest)
    state.finish()
    return Result(manifest, settings.manifest, continued=continued)


def _remove(out: Path, created: bool, plan: Plan) -> None:
    """Take away what a run made that wrote no clip: its state, its empty folders, and the output if it was new."""
    if created:
        shutil.rmtree(out, ignore_errors=True)
        return
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    folders = {parent for job in plan.jobs for parent in PurePosixPath(job.out_path).parents if parent.parts}
    for folder in sorted(folders, key=lambda f: -len(f.parts)):
        with contextlib.suppress(OSError):  # not there, or not empty
            (out / folder).rmdir()


def _choose(plan: Plan, settings: Settings, state: State, pool: Pool | Cluster, reporter: Reporter) -> Chosen:
    """What is decided before the first clip, by an earlier run or now."""
    before = state.chosen()
    if before is not None:
        _check_continued(plan, settings, before)
        return before
    strange = [p.name for p in settings.out.iterdir() if p.name != FOLDER]
    if strange:
        raise PoisonkitError(
            f"{settings.out} exists and holds {strange[0]!r}", f"remove it, or give another {argument('out')}"
        )
    rungs, trials = _rungs(plan, settings, pool, reporter)
    check_space(settings, quality.estimated_bytes(plan, [t for t in trials if rungs[t.modality] == t.rung]))
    chosen = Chosen(plan.fingerprint, settings.options, rungs, trials, versions())
    state.choose(chosen)
    return chosen


def _check_continued(plan: Plan, settings: Settings, before: Chosen) -> None:
    """Raise `PoisonkitError` where an unfinished run was another one."""
    if (before.fingerprint, before.options) != (plan.fingerprint, settings.options):
        raise PoisonkitError(
            f"{settings.out} holds an unfinished run with other settings",
            f"run that command again, remove the folder, or give another {argument('out')}",
        )
    if before.versions != versions():
        raise PoisonkitError(
            f"{settings.out} was begun with other versions ({before.versions}), whose pixels may differ",
            "continue with those, or remove the folder",
        )


def _rungs(
    plan: Plan, settings: Settings, pool: Pool | Cluster, reporter: Reporter
) -> tuple[dict[Modality, Rung], list[Trial]]:
    """The rung of each modality that is re-encoded, and all that were tried for it."""
    context = _context(plan, settings, {})
    measuring = dataclasses.replace(settings.options, survival=True)  # which is what the trial is for
    context = dataclasses.replace(context, options=measuring)

    def run(work: Any, jobs: Sequence[Job], context: Context) -> Iterable[Any]:
        reporter.begin("trying " + ", ".join(context.rungs.values()), len(jobs), len(jobs))
        for _, result in pool.run(work, jobs, context):
            reporter.advance(1)
            yield result

    rungs: dict[Modality, Rung] = {}
    trials = []
    for modality in plan.modalities():
        jobs = trial_jobs(plan, modality)
        if not jobs:
            raise BrokenClip(
                f"none of the clips of {plan.listing.root} that were tried can be decoded, "
                f"such as {plan.written()[0].path}",
                "check that the download is complete",
            )
        asked = settings.options.quality
        rungs[modality], tried = quality.choose(asked, modality, jobs, context, run, force=settings.force)
        trials += tried
    return rungs, trials


def _context(plan: Plan, settings: Settings, rungs: Mapping[Modality, Rung]) -> Context:
    return Context(
        source=plan.listing.root,
        out=settings.out,
        seed=plan.seed,
        attacks=plan.attacks,
        rungs=rungs,
        options=settings.options,
        geometry=plan.geometry,
        plan=plan.name(),
    )


def _write_all(
    plan: Plan, settings: Settings, state: State, chosen: Chosen, pool: Pool | Cluster, reporter: Reporter
) -> int:
    """Do what is not done yet, into the journal; the number of clips that were."""
    context = _context(plan, settings, chosen.rungs)
    for folder in sorted({os.path.dirname(job.out_path) for job in plan.jobs}):
        (settings.out / folder).mkdir(parents=True, exist_ok=True)
    earlier = state.entries()
    left = [job for job in plan.jobs if (e := earlier.get(job.id)) is None or not _still_good(e, job, context)]
    del earlier
    kept = len(plan.jobs) - len(left)
    if kept:
        reporter.say(f"continuing: {kept} of {len(plan.jobs)} files are done")
    for entry in carry_out(plan, left, context, pool, settings, reporter, "writing"):
        state.record(entry)
    return kept


def _still_good(entry: Entry, job: Job, context: Context) -> bool:
    """Whether a journalled clip still stands: its source is the same, and its file is there."""
    if entry.skipped is not None or entry.source != file_stamp(context.source / job.path):
        return False
    try:
        return (context.out_path / job.out_path).stat().st_size == entry.size
    except OSError:
        return False
