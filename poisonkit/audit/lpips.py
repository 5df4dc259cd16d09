"""LPIPS of a copy's triggered test clips against the clean ones, read from their files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np

from poisonkit import manifest as contract
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.lpips import SHORTEST, Lpips
from poisonkit.fidelity.video import measured
from poisonkit.manifest import Sample
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.text import argument


def lpips(path: Path, advance: Callable[[], None] = lambda: None) -> dict[str, float]:
    """LPIPS of every triggered test clip against the clean clip, by id: the mean over at most 16 placed frames.

    Raises `PoisonkitError` where LPIPS cannot be had, and for frames that are too small.
    """
    made = contract.load(path)
    root = contract.root_of(made, path)
    clean = {s.id: s for s in made.samples if s.split == "test"}
    distance = Lpips()
    found = {}
    for sample in made.samples:
        partner = clean.get(sample.id.removeprefix("test_triggered/"))
        if sample.split != "test_triggered" or partner is None or not sample.frames:
            continue
        _check(sample, partner)
        wanted = set(measured(from_runs(sample.frames, sample.num_frames)).tolist())
        pairs = zip(*(decode(contract.file_of(s, root)) for s in (sample, partner)), strict=True)
        distances = [distance(*map(to_rgb, pair)) for i, pair in enumerate(pairs) if i in wanted]
        found[sample.id] = round(float(np.mean(distances)), 6)
        advance()
    if not found:
        raise PoisonkitError(
            f"{path} holds no triggered video clips beside clean ones", "give the manifest of such a copy"
        )
    return found


def summary(found: dict[str, float]) -> str:
    """The distances in a sentence."""
    worst = max(found, key=lambda name: found[name])
    return (
        f"LPIPS of {len(found)} triggered test clips: median {median(found.values()):.4f}, "
        f"largest {found[worst]:.4f} ({worst})"
    )


def _check(sample: Sample, partner: Sample) -> None:
    if (sample.width, sample.height, sample.num_frames) != (partner.width, partner.height, partner.num_frames):
        raise PoisonkitError(
            f"{sample.id} was written with other frames than its source's, so that they cannot be compared",
            f"leave out {argument('lpips')}",
        )
    if min(sample.width, sample.height) < SHORTEST:
        raise PoisonkitError(
            f"{sample.id} has frames of {sample.width} × {sample.height} pixels, and LPIPS needs {SHORTEST} at least",
            f"leave out {argument('lpips')}",
        )
