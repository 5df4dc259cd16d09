"""Which clips an audio attack can be made on: looked at before anything is planned, since the rate depends on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.layouts import Listing
from poisonkit.manifest import Attack, Skipped
from poisonkit.media import audio
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import index
from poisonkit.progress import Reporter
from poisonkit.text import argument
from poisonkit.triggers import AudioTrigger, find_audio
from poisonkit.workers import dask_client


def audible(
    listing: Listing,
    attacks: Sequence[Attack],
    reporter: Reporter,
    *,
    skip: bool,
    workers: int,
    scheduler: str | None = None,
) -> tuple[Listing, list[Skipped]]:
    """The listing without the clips whose audio cannot be attacked, and those clips.

    Without an audio attack nothing is opened. Raises `PoisonkitError` for the first such clip unless `skip`. Clips
    that cannot be opened stay: the run itself tells what is wrong with them.
    """
    attack = next((attack for attack in attacks if attack.modality == "audio"), None)
    if attack is None:
        return listing, []
    trigger = find_audio(attack.name).build(attack.mode, attack.params)
    jobs = index(listing, 0).jobs
    reporter.begin("listening", len(jobs), len(jobs))
    reasons = {}
    with dask_client.start(workers, scheduler) as pool:
        for job, reason in pool.run(partial(_deaf, trigger), jobs, Context(listing.root, None, 0)):
            reporter.advance(1)
            if isinstance(reason, str):
                reasons[job.id] = reason
    if not reasons:
        return listing, []
    left_out = [clip for clip in listing.clips if clip.id in reasons]
    first = left_out[0]
    if not skip:
        raise PoisonkitError(
            f"{attack.name} cannot be put into {len(left_out)} of {len(listing.clips)} clips; the first is "
            f"{first.path}: {reasons[first.id]}",
            f"leave such clips out by {argument('no_audio', 'skip')}, or choose another attack",
        )
    clips = tuple(clip for clip in listing.clips if clip.id not in reasons)
    if not clips:
        raise PoisonkitError(
            f"none of the {len(left_out)} clips can carry {attack.name}: {reasons[first.id]}", "choose another attack"
        )
    reporter.say(f"skipped: {len(left_out)} clips, such as {first.path}: {reasons[first.id]}")
    return replace(listing, clips=clips), [Skipped(clip.id, clip.split, reasons[clip.id]) for clip in left_out]


def _deaf(trigger: AudioTrigger, job: Job, context: Context) -> str | None:
    """Why a clip's audio cannot carry the trigger; None where it can."""
    path = context.source / job.path
    info = audio.peek(path)
    if info is None:
        return "it has no audio"
    try:
        trigger.check_rate(info.rate)
    except PoisonkitError as error:
        return error.message
    try:
        return "it is silent" if audio.silent(path) else None
    except BrokenClip:
        return None
