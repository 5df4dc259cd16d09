"""Sine: a steady tone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from poisonkit.triggers._params import param
from poisonkit.triggers._tone import Tone


@dataclass(frozen=True)
class Sine(Tone):
    """Add a tone of `frequency`.

    Static: the same tone, from phase 0. Dynamic: a phase is drawn for each clip, and for every quarter of a second a
    frequency from three quarters to five quarters of `frequency`.
    """

    name: ClassVar[str] = "sine"
    spread: ClassVar[float] = 0.25
    source: ClassVar[str] = "Hammoud et al. 2023 (800 Hz); level and range of dynamic frequencies are ours"

    frequency: float = param(800.0, "the tone", unit="Hz", low=20.0, high=20_000.0)
