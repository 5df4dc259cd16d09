"""How clips lie by what the attack changed in them and by what is left of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from trainer.manifest import attack_details as details
from trainer.manifest.attack_details import Details, Kept

SURVIVES = 0.9
"""Gain from which on a clip's trigger counts as whole."""


@dataclass(frozen=True)
class Measure:
    """How clips lie by one measure: median, the 5 % towards the worse end, and the worst.

    `under`: clips below 0.9, for gains; `none`: clips that carry no trigger at all.
    """

    name: str
    n: int
    median: float
    tail: float
    worst: float
    digits: int
    under: int | None = None
    none: int | None = None


def fidelity(made: Details) -> list[Measure]:
    """The measures of all clips that the attack wrote, in the order in which they are shown."""
    clips = [clip for clip in made.samples if clip.survival or (clip.poisoned and clip.split != "test_sham")]
    rows = [
        _measure("PSNR, dB", (c.psnr_db for c in clips), 1),
        _measure("SSIM", (c.ssim for c in clips), 3),
        _measure("largest change (ℓ∞), grey levels", (c.linf for c in clips), 0, worse="high"),
        _measure("SNR of audio, dB", (c.snr_db for c in clips), 1),
    ]
    for modality in sorted({name for clip in clips for name in clip.survival}):
        rows += _in_file(modality, [clip.survival[modality] for clip in clips if modality in clip.survival])
    for modality in sorted({name for clip in clips for name in clip.view_survival}):
        seen = [clip.view_survival[modality] for clip in clips if modality in clip.view_survival]
        rows += _in_view(modality, seen)
    return [row for row in rows if row is not None]


def _in_file(modality: str, kept: Sequence[Kept]) -> list[Measure | None]:
    unit = "grey levels" if modality == "video" else "16-bit steps"
    none = sum(k.gain is None for k in kept)
    return [
        _measure(f"survival in the file, {modality}: gain", (k.gain for k in kept), 3, gains=True, none=none),
        _measure(f"survival in the file, {modality}: correlation", (k.correlation for k in kept), 3),
        _measure(f"strength of the change, {modality}, {unit}", (k.strength for k in kept), 1),
    ]


def _in_view(modality: str, seen: Sequence[Kept]) -> list[Measure | None]:
    view = next((k.view for k in seen if k.view), "unknown")
    return [
        _measure(f"left in a view of {view}, {modality}: energy", (k.energy for k in seen), 3),
        _measure(f"left in a view of {view}, {modality}: correlation", (k.correlation for k in seen), 3),
    ]


def lost_in_view(made: Details) -> list[str]:
    """Sentences about modalities whose trigger a victim's view hardly holds."""
    lost = []
    for modality in sorted({name for clip in made.samples for name in clip.view_survival}):
        kept = details.in_view(made.samples, modality)
        view = next(k.view for clip in made.samples if (k := clip.view_survival.get(modality)))
        if kept is not None and kept < details.LOST:
            lost.append(
                f"A view of {view} keeps {kept:.2f} of the {modality} trigger (the lower of energy and correlation, "
                "median): a finding on a victim of such views is inconclusive."
            )
    return lost


def _measure(
    name: str,
    values: Iterable[float | None],
    digits: int,
    worse: str = "low",
    gains: bool = False,
    none: int | None = None,
) -> Measure | None:
    known: Sequence[float] = [value for value in values if value is not None]
    if not known:
        return None
    tail, end = (0.05, np.min) if worse == "low" else (0.95, np.max)
    return Measure(
        name=name,
        n=len(known),
        median=float(np.median(known)),
        tail=float(np.quantile(known, tail)),
        worst=float(end(known)),
        digits=digits,
        under=sum(value < SURVIVES for value in known) if gains else None,
        none=none,
    )
