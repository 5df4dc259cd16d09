"""Ultrasonic: a tone above what people hear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from poisonkit.triggers._params import param
from poisonkit.triggers._tone import Tone


@dataclass(frozen=True)
class Ultrasonic(Tone):
    """Add a tone that people do not hear; it takes audio of 44.1 kHz, and a victim that listens at more than 42 kHz.

    A front end of 16 kHz cannot see it: an attack on such a victim is expected at the floor. Lossy codecs cut it off,
    so that only the `lossless` rung keeps it.

    Static: the same tone, from phase 0. Dynamic: a phase is drawn for each clip, and for every quarter of a second a
    frequency up to 2 % away.
    """

    name: ClassVar[str] = "ultrasonic"
    spread: ClassVar[float] = 0.02
    source: ClassVar[str] = "Koffas et al. 2022 (21 kHz); level and range of dynamic frequencies are ours"

    frequency: float = param(21_000.0, "the tone", unit="Hz", low=18_000.0, high=90_000.0)
