"""What is left of the trigger in a manifest's files, summed up, and from where on it counts as kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from poisonkit.manifest import Manifest, Modality, Sample

PASSES = 0.95
"""Gain and correlation that nine in ten trial clips must reach for `--quality auto` to take a rung."""

LISTED = 0.9
"""Gain and correlation that every trial clip must reach; written clips with less are listed."""

FAILS = 0.5
"""Median trial survival below which a rung asked for by name is refused."""


@dataclass(frozen=True)
class SplitFidelity:
    """What the written files of one split hold; medians over its clips where nothing else is said.

    Of `files` clips, `carrying` carry a trigger, and `kept` of these keep gain and correlation of at least `LISTED`.
    `gain_p10` is the median of the clips' 10th percentiles over single frames, `view` that of what a victim's input
    keeps, `linf` the largest of all clips in grey levels. None where no clip has the figure.
    """

    files: int
    carrying: int
    kept: int
    gain: float | None
    gain_lowest: float | None
    correlation: float | None
    correlation_lowest: float | None
    gain_p10: float | None
    view: float | None
    psnr_db: float | None
    ssim: float | None
    linf: int | None
    snr_db: float | None
    lsd_db: float | None


def split_fidelity(samples: Sequence[Sample], modality: Modality) -> SplitFidelity:
    """The figures of some clips, whose video or audio was written."""
    survivals = [survival for s in samples if (survival := s.survival.get(modality)) is not None]
    kept = [survival.kept for survival in survivals if survival.kept is not None]
    gains, correlations = [s.gain for s in survivals], [s.correlation for s in survivals]
    return SplitFidelity(
        files=len(samples),
        carrying=len(kept),
        kept=sum(1 for value in kept if value >= LISTED),
        gain=median_of(gains),
        gain_lowest=min(_known(gains), default=None),
        correlation=median_of(correlations),
        correlation_lowest=min(_known(correlations), default=None),
        gain_p10=median_of([s.gain_p10 for s in survivals]),
        view=median_of([view_kept(s, modality) for s in samples]),
        psnr_db=median_of([s.psnr_db for s in samples]),
        ssim=median_of([s.ssim for s in samples]),
        linf=max((s.linf for s in samples if s.linf is not None), default=None),
        snr_db=median_of([s.snr_db for s in samples]),
        lsd_db=median_of([s.lsd_db for s in samples]),
    )


def written(manifest: Manifest, modality: Modality) -> dict[str, list[Sample]]:
    """The clips whose video or audio was re-encoded, by split; poisoned training clips apart from the others."""
    groups: dict[str, list[Sample]] = {}
    for sample in manifest.samples:
        measure = sample.linf if modality == "video" else sample.lsd_db
        if measure is not None or modality in sample.survival:
            name: str = "train, poisoned" if sample.split == "train" and sample.poisoned else sample.split
            groups.setdefault(name, []).append(sample)
    return groups


def view_of(manifest: Manifest, modality: Modality = "video") -> str:
    """The victim's input for which view survival was measured, as in 256/224; empty where it was not."""
    return next((s.view_survival[modality].view for s in manifest.samples if modality in s.view_survival), "")


def view_kept(sample: Sample, modality: Modality = "video") -> float | None:
    """The lower of energy and correlation that the victim's input keeps; None where there is no trigger."""
    seen = sample.view_survival.get(modality)
    return None if seen is None else seen.kept


def view_median(manifest: Manifest, modality: Modality) -> tuple[float | None, int]:
    """The median of `view_kept` over the clips that carry a trigger, and how many these are."""
    kept = _known([view_kept(sample, modality) for sample in manifest.samples])
    return (median(kept) if kept else None), len(kept)


def without_trigger(manifest: Manifest, modality: Modality) -> list[str]:
    """The ids of triggered clips that the trigger changes by less than a grey level or a step of 16 bits (RMS)."""
    return [s.id for s in manifest.samples if (v := s.survival.get(modality)) is not None and v.kept is None]


def least_kept(manifest: Manifest, modality: Modality) -> list[tuple[Sample, float]]:
    """Clips that carry a trigger, the worst first, with the lower of gain and correlation."""
    found = []
    for sample in manifest.samples:
        survival = sample.survival.get(modality)
        if survival is not None and survival.kept is not None:
            found.append((sample, survival.kept))
    return sorted(found, key=lambda pair: (pair[1], pair[0].id))


def lacking(manifest: Manifest, modality: Modality) -> list[tuple[Sample, float]]:
    """Clips that carry a trigger with less than `LISTED` of it, the worst first, as `least_kept` gives them."""
    return [(sample, low) for sample, low in least_kept(manifest, modality) if low < LISTED]


def median_of(values: Sequence[float | None]) -> float | None:
    """The median of the values that are known; None without any."""
    known = _known(values)
    return median(known) if known else None


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]
