"""A plan carried out: trial, estimate, workers, journal, manifest."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, Protocol

from msgspec import structs

from poisonkit import manifest as contract
from poisonkit.clip.rewrite import Outcome, do
from poisonkit.errors import BrokenClip, ManifestError, PoisonkitError
from poisonkit.files import FOLDER, NOTICE
from poisonkit.manifest import Encoding, Manifest, Modality, Rung, Skipped
from poisonkit.media.encoders import container_of
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import Plan
from poisonkit.run import assemble
from poisonkit.run import quality_trials as quality
from poisonkit.run.journal import Chosen, Entry, State
from poisonkit.run.settings_diff import differing
from poisonkit.workers import dask_client
from poisonkit.workers.dask_client import Cluster
from poisonkit.workers.local import Pool, available_cores

_COST = {"trigger": 6, "reencode": 6, "carry": 1, "examine": 1}
_MEASURING, _CONTROL = 2, 6
"""Work per byte of source, roughly, so that the time left is told well: of the clip itself, of its survival, and of a
control for that alone."""


class Reporter(Protocol):
    """Whoever shows a person what goes on."""

    def say(self, text: str) -> None:
        """One line about a step."""

    def begin(self, title: str, total: float, clips: int) -> None:
        """A step with `total` units of work on `clips` clips begins."""

    def advance(self, work: float) -> None:
        """One clip is done, which was `work` units."""


@dataclass(frozen=True)
class Settings:
    """How a plan is carried out; nothing here changes a pixel but `quality`."""

    out: Path
    manifest: Path
    quality: str = "auto"
    carry: Literal["link", "copy", "reencode"] = "link"
    workers: int = field(default_factory=available_cores)
    scheduler: str | None = None
    skip_broken: bool = False
    force: bool = False
    hash_all: bool = False
    view: tuple[int, int] = (256, 224)
    survival: bool = True


@dataclass(frozen=True)
class Result:
    """A finished run. `continued` counts clips that an earlier run had done; `fresh` is false when all was done."""

    manifest: Manifest
    path: Path
    continued: int = 0
    fresh: bool = True


def index(plan: Plan, settings: Settings, reporter: Reporter) -> Result:
    """A manifest of the unchanged data set: every clip is decoded and counted, nothing is copied."""
    _check_manifest(settings.manifest, plan.listing.root)
    context = Context(plan.listing.root, None, plan.seed, hash_all=settings.hash_all)
    entries = []
    with dask_client.start(settings.workers, settings.scheduler) as pool:
        for entry in _carry_out(plan, plan.jobs, context, pool, settings, reporter, "checking"):
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
    encoding = assemble.encoding(chosen, entries, plan.geometry, reencoded=settings.carry == "reencode")
    manifest = assemble.manifest(plan, settings.manifest, settings.out, entries, encoding)
    (settings.out / NOTICE).write_text(assemble.notice(manifest), encoding="utf-8")
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


def check_places(plan: Plan, settings: Settings) -> None:
    """Raise `PoisonkitError` where the copy or its manifest cannot go, or a file of the source cannot be written."""
    source, out = plan.listing.root.resolve(), settings.out.resolve()
    if source == out or source in out.parents or out in source.parents:
        raise PoisonkitError(
            f"--out {settings.out} and the source {plan.listing.root} lie in one another; give a folder beside it"
        )
    if settings.out.exists() and not settings.out.is_dir():
        raise PoisonkitError(f"--out {settings.out} is a file; give the name of a new folder")
    for job in plan.written():
        container_of(job.path)  # says so now for a type that cannot be written, not hours later
    _check_manifest(settings.manifest, out)


def _check_manifest(path: Path, root: Path) -> None:
    """Refuse to write over the manifest of other files, or over anything that is none."""
    if path.is_dir():
        raise PoisonkitError(f"--manifest {path} is a folder; give the name of a JSON file")
    if not path.exists():
        return
    try:
        there = contract.root_of(contract.load(path), path)
    except ManifestError:
        raise PoisonkitError(f"{path} exists and is no manifest; remove it, or give another --manifest") from None
    if there.resolve() != root.resolve():
        raise PoisonkitError(f"{path} is the manifest of {there}; give another name: --manifest FILE")


def finished_before(plan: Plan, settings: Settings) -> Manifest | None:
    """The manifest of the same plan, if it was carried out before.

    Raises `PoisonkitError` when the output holds something else, or when files of it are missing.
    """
    out = settings.out
    if not out.exists() or not any(out.iterdir()) or (out / FOLDER).exists():
        return None
    remedy = "remove it, or give another --out"
    try:
        manifest = contract.load(settings.manifest)
    except ManifestError:
        raise PoisonkitError(f"{out} exists and is not an unfinished run of poisonkit; {remedy}") from None
    found = differing(manifest, plan, settings)
    if found:
        raise PoisonkitError(f"{out} holds another copy ({settings.manifest}), made with {', '.join(found)}; {remedy}")
    missing = [sample.path for sample in manifest.samples if not (out / sample.path).is_file()]
    if missing:
        raise PoisonkitError(
            f"{out} lacks {len(missing)} of the {len(manifest.samples)} files of {settings.manifest}, such as "
            f"{missing[0]}; remove the folder to have it written anew"
        )
    return manifest


def _choose(plan: Plan, settings: Settings, state: State, pool: Pool | Cluster, reporter: Reporter) -> Chosen:
    before = state.chosen()
    fingerprint = plan.fingerprint
    if before is not None:
        asked = (fingerprint, settings.quality, settings.carry, settings.hash_all, settings.view, settings.survival)
        there = (before.fingerprint, before.quality, before.carry, before.hash_all, before.view, before.survival)
        if there != asked:
            raise PoisonkitError(
                f"{settings.out} holds an unfinished run with other settings; run that command again, "
                f"remove the folder, or give another --out"
            )
        if before.versions != assemble.versions():
            raise PoisonkitError(
                f"{settings.out} was begun with other versions ({before.versions}), whose pixels may differ; "
                f"continue with those, or remove the folder"
            )
        return before
    strange = [p.name for p in settings.out.iterdir() if p.name != FOLDER]
    if strange:
        raise PoisonkitError(f"{settings.out} exists and holds {strange[0]!r}; remove it, or give another --out")
    context = dataclasses.replace(_context(plan, settings, {}), survival=True)  # which is what the trial is for

    def run(work: Any, jobs: Sequence[Job], context: Context) -> Iterable[Any]:
        reporter.begin("trying " + ", ".join(context.rungs.values()), len(jobs), len(jobs))
        for _, result in pool.run(work, jobs, context):
            reporter.advance(1)
            yield result

    rungs: dict[Modality, Rung] = {}
    trials = []
    for modality in plan.modalities():
        jobs = quality.trial_jobs(plan, modality)
        if not jobs:
            raise BrokenClip(
                f"none of the clips of {plan.listing.root} that were tried can be decoded, "
                f"such as {plan.written()[0].path}; check that the download is complete"
            )
        rungs[modality], tried = quality.choose(settings.quality, modality, jobs, context, run, force=settings.force)
        trials += tried
    chosen = Chosen(
        fingerprint,
        settings.quality,
        rungs,
        trials,
        assemble.versions(),
        settings.carry,
        settings.hash_all,
        settings.view,
        settings.survival,
    )
    taken = [t for t in trials if rungs[t.modality] == t.rung]
    _check_space(settings, quality.estimated_bytes(plan, taken))
    state.choose(chosen)
    return chosen


def _check_space(settings: Settings, need: int) -> None:
    free = shutil.disk_usage(settings.out).free
    if need > free:
        raise PoisonkitError(
            f"the copy needs about {need / 1e9:.2f} GB, {settings.out} has {free / 1e9:.2f} GB free; "
            f"make room, give another --out, or a cheaper --quality"
        )


def _context(plan: Plan, settings: Settings, rungs: Mapping[Modality, Rung]) -> Context:
    return Context(
        source=plan.listing.root,
        out=settings.out,
        seed=plan.seed,
        attacks=plan.attacks,
        rungs=rungs,
        link=settings.carry != "copy",
        hash_all=settings.hash_all,
        view=settings.view,
        survival=settings.survival,
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
    for entry in _carry_out(plan, left, context, pool, settings, reporter, "writing"):
        state.record(entry)
    return kept


def _still_good(entry: Entry, job: Job, context: Context) -> bool:
    """Whether a journalled clip still stands: its source is the same, and its file is there."""
    if entry.skipped is not None or entry.source != _stamp(context.source / job.path):
        return False
    try:
        return (context.out_path / job.out_path).stat().st_size == entry.size
    except OSError:
        return False


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns)


def _carry_out(
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
    for job, result in pool.run(do, paired, context):
        stamp = _stamp(context.source / job.path)
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
    if context.survival and job.action == "trigger":
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
        sound_line=outcome.sound_line,
    )
