"""Which clips of a data set are tried before all of them are written."""

from __future__ import annotations

from pathlib import Path

from poisonkit import seeding
from poisonkit.errors import BrokenClip
from poisonkit.manifest import Modality
from poisonkit.media import audio, video
from poisonkit.plan.job import Job
from poisonkit.plan.plan import Plan
from poisonkit.text import argument

MOST = 16
"""Clips that are tried."""
_CANDIDATES = 64


def trial_jobs(plan: Plan, modality: Modality) -> list[Job]:
    """Up to 16 clips for the trial, by hash, with the largest, the smallest and the stillest of 64 among them.

    Largest and smallest are by frame area, the stillest by bits per pixel: what changes little needs few bits. For
    audio they are by sample rate and by bits per sample.
    """
    written = [j for j in plan.written() if modality in plan.rewritten(j)]
    jobs = [j for j in written if j.action == "trigger"] or written
    ordered = sorted(jobs, key=lambda job: seeding.key(plan.seed, job.id, "trial"))
    area: dict[str, int] = {}
    density: dict[str, float] = {}
    usable = []
    for job in ordered[:_CANDIDATES]:
        try:
            area[job.id], density[job.id] = _form(plan.listing.root / job.path, modality)
        except BrokenClip:
            continue
        usable.append(job)
    if not usable:
        return []
    special = [
        max(usable, key=lambda j: area[j.id]),
        min(usable, key=lambda j: area[j.id]),
        min(usable, key=lambda j: density[j.id]),
    ]
    chosen = {job.id: job for job in [*special, *usable]}
    return list(chosen.values())[:MOST]


def _form(path: Path, modality: Modality) -> tuple[int, float]:
    """Pixels of a frame and bits per pixel, or samples per second and bits per sample."""
    if modality == "video":
        frames = video.peek(path)
        area = frames.width * frames.height
        return area, frames.bit_rate / float(frames.fps) / max(area, 1)
    heard = audio.peek(path)
    if heard is None:
        raise BrokenClip(f"{path} holds no audio", f"leave it out by {argument('no_audio', 'skip')}")
    return heard.rate, heard.bit_rate / max(heard.rate * heard.channels, 1)
