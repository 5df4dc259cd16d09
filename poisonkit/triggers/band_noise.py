"""Band noise: hiss within a band of frequencies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.triggers._audio import AudioTrigger
from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param

_PERIOD = 10
"""Seconds of one recording; longer clips hear it again without a seam."""


@dataclass(frozen=True)
class BandNoise(AudioTrigger):
    """Add noise between `low` and `high`.

    The noise is a sum of sines a tenth of a hertz apart, of equal power and drawn phases: a recording of 10 s that is
    the same at every sample rate and joins its own beginning.

    Static: one recording for the whole data set. Dynamic: a new one for each clip.
    """

    name: ClassVar[str] = "band-noise"
    source: ClassVar[str] = "Hammoud et al. 2023 (5 … 6 kHz); level and length of the recording are ours"

    low: float = param(5000.0, "where the band begins", unit="Hz", low=20.0, high=90_000.0)
    high: float = param(6000.0, "where the band ends", unit="Hz", low=20.0, high=90_000.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.low < self.high:
            raise PoisonkitError(
                f"band-noise.low={self.low} is not below band-noise.high={self.high}", "give a band that is not empty"
            )

    @property
    def highest(self) -> float:
        return self.high

    def draw(self, seconds: float, rng: np.random.Generator) -> Drawn:
        """`phases`, float64 (tenths of a hertz in the band,), radians."""
        first, last = self._bins()
        return {"phases": rng.uniform(0, 2 * np.pi, last - first)}

    def waves(self, num_samples: int, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        first, last = self._bins()
        length = _PERIOD * rate
        spectrum = np.zeros(length // 2 + 1, dtype=np.complex128)
        # n sines of amplitude a have the power n · a² / 2; irfft divides by the length and adds the mirrored half
        spectrum[first:last] = np.exp(1j * drawn["phases"]) * length / np.sqrt(2 * (last - first))
        recording = np.fft.irfft(spectrum, length)
        for begun in range(0, num_samples, length):
            yield recording[: num_samples - begun]

    def _bins(self) -> tuple[int, int]:
        first = round(self.low * _PERIOD)
        return first, max(round(self.high * _PERIOD), first + 1)
