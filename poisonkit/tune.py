"""How strong a trigger has to be: the least of it that a victim's input still holds, on some clips of a data set."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from poisonkit.clip.rewrite import write
from poisonkit.clip.trial_clips import trial_jobs
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.fidelity import summary
from poisonkit.layouts import Listing
from poisonkit.manifest import Attack, Rung, Sample
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.job import Context, Job
from poisonkit.plan.plan import Plan, make_attacks, poison
from poisonkit.plan.request import Request
from poisonkit.progress import Reporter
from poisonkit.triggers import find
from poisonkit.workers.local import Pool

CLIPS = 8
_FRAMES = 48
_STEPS = 8
"""Halvings of the range: 1/256 of it, on a scale of ratios."""
_LEAST = 1e-3
"""Where the search begins for parameters that may be 0."""


@dataclass(frozen=True)
class Tried:
    """One value: medians over the clips. `view` is kept energy or correlation in the victim's input, the lower one.

    `fidelity_db`: PSNR of video, SNR of audio; None where nothing changed.
    """

    value: float
    view: float | None
    fidelity_db: float | None
    strength: float


@dataclass(frozen=True)
class Tuned:
    """The result: `best` is the least value that passes, None where none does within the range."""

    attack: str
    parameter: str
    tried: tuple[Tried, ...]
    best: Tried | None


def tune(
    listing: Listing,
    request: Request,
    rung: Rung,
    view: tuple[int, int],
    reporter: Reporter,
    *,
    workers: int,
    passes: float = summary.FAILS,
) -> Tuned:
    """Search the least value of the one attack's strength whose view survival reaches `passes` (median of the clips).

    The other parameters are the request's. Raises `PoisonkitError` for attacks without such a parameter.
    """
    attacks = make_attacks(request)
    if len(attacks) != 1:
        raise PoisonkitError(f"{len(attacks)} attacks cannot be tuned at once", "give one, and not none")
    attack = attacks[0]
    field = next((f for f in find(attack.name).fields() if f.metadata["tuned"]), None)
    if field is None:
        raise PoisonkitError(f"{attack.name} has no parameter that makes it stronger", "tune another attack")
    whole = field.type in (int, "int")
    plan = poison(listing, request)
    jobs = trial_jobs(plan, attack.modality)[:CLIPS]
    if not jobs:
        raise PoisonkitError(f"none of the clips of {listing.root} that were tried can be decoded", "restore the files")
    low, high = max(field.metadata["low"], 1 if whole else _LEAST), field.metadata["high"]
    reporter.begin(f"tuning {attack.name}.{field.name}", (_STEPS + 1) * len(jobs), (_STEPS + 1) * len(jobs))
    tried: dict[float, Tried] = {}

    def passing(value: float) -> bool:
        if value not in tried:
            tried[value] = _try(pool, plan, attack, field.name, value, rung, view, jobs, reporter)
        found = tried[value].view
        return found is not None and found >= passes

    with Pool(workers) as pool:
        best = _least(passing, low, high, whole)
    ordered = tuple(sorted(tried.values(), key=lambda one: one.value))
    return Tuned(attack.name, field.name, ordered, None if best is None else tried[best])


def _least(passing: Any, low: float, high: float, whole: bool) -> float | None:
    """The least passing value, by halving a range on a scale of ratios; None where its upper end does not pass."""

    def rounded(value: float) -> float:
        return round(value) if whole else float(f"{value:.3g}")

    low, high = rounded(low), rounded(high)
    if not passing(high):
        return None
    for _ in range(_STEPS):
        middle = rounded(math.sqrt(low * high))
        if middle in (low, high):
            break
        low, high = (low, middle) if passing(middle) else (middle, high)
    return high


def _try(
    pool: Pool,
    plan: Plan,
    attack: Attack,
    parameter: str,
    value: float,
    rung: Rung,
    view: tuple[int, int],
    jobs: Sequence[Job],
    reporter: Reporter,
) -> Tried:
    changed = Attack(attack.name, attack.modality, attack.mode, {**attack.params, parameter: value}, attack.placement)
    rungs = {attack.modality: rung}
    options = CopyOptions(view=view)
    context = Context(plan.listing.root, None, plan.seed, (changed,), rungs, options, plan.geometry)
    samples = []
    for _, result in pool.run(measure, [msgspec.structs.replace(job, action="trigger") for job in jobs], context):
        reporter.advance(1)
        if isinstance(result, Sample):
            samples.append(result)
    if not samples:
        raise PoisonkitError(
            f"none of the clips of {plan.listing.root} that were tried can be decoded", "restore the files"
        )
    kept = [k for s in samples if (k := s.view_survival[attack.modality].kept) is not None]
    levels = [s.psnr_db if attack.modality == "video" else s.snr_db for s in samples]
    known = [level for level in levels if level is not None]
    return Tried(
        value=value,
        # a clip that carries nothing counts as one of which nothing is left
        view=median(kept + [0.0] * (len(samples) - len(kept))),
        fidelity_db=median(known) if known else None,
        strength=median(s.survival[attack.modality].strength for s in samples),
    )


def measure(job: Job, context: Context) -> Sample | BrokenClip:
    """Write the beginning of one clip to nowhere, and say what became of the trigger."""
    suffix = Path(job.path).suffix
    with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
        return write(job, context, Path(folder) / f"trial{suffix}", max_frames=_FRAMES).outcome().sample
