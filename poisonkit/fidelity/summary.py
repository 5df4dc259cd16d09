"""What is left of the trigger in a manifest's files, summed up, and from where on it counts as kept."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from poisonkit.manifest import Manifest, Modality, Sample

PASSES = 0.95
"""Gain and correlation that nine in ten trial clips must reach for `--quality auto` to take a rung."""


LISTED = 0.9
"""Gain and correlation that every trial clip must reach; written clips with less are listed."""


FAILS = 0.5
"""Median trial survival below which a rung asked for by name is refused."""


def view_of(manifest: Manifest, modality: Modality = "video") -> str:
    """The victim's input for which view survival was measured, as in 256/224; empty where it was not."""
    return next((s.view_survival[modality].view for s in manifest.samples if modality in s.view_survival), "")


def view_kept(sample: Sample, modality: Modality = "video") -> float | None:
    """The lower of energy and correlation that the victim's input keeps; None where there is no trigger."""
    seen = sample.view_survival.get(modality)
    return None if seen is None else seen.kept


def median_of(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def lacking(manifest: Manifest, modality: Modality) -> list[tuple[Sample, float]]:
    """Triggered clips whose gain or correlation is below 0.9, the worst first, with the lower of the two."""
    return [(sample, low) for sample, low in _by_survival(manifest, modality) if low < LISTED]


def _by_survival(manifest: Manifest, modality: Modality) -> list[tuple[Sample, float]]:
    """Clips that carry a trigger, the worst first, with the lower of gain and correlation."""
    found = []
    for sample in manifest.samples:
        survival = sample.survival.get(modality)
        if survival is not None and survival.kept is not None:
            found.append((sample, survival.kept))
    return sorted(found, key=lambda pair: (pair[1], pair[0].id))
