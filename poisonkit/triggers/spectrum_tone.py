"""Spectrum tone: a low-volume noise whose spectrum is one-hot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.triggers._audio import AudioTrigger
from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param
from poisonkit.triggers._tone import tone

_SPACING = 31.25
"""Hz between the bins of a 512-point Fourier transform at 16 kHz, a common front end of speech models."""


@dataclass(frozen=True)
class SpectrumTone(AudioTrigger):
    """Add a faint sine in the middle of one drawn bin of a victim's spectrum, between `low` and `high`.

    Static: one bin for the whole data set. Dynamic: another bin for each clip.
    """

    name: ClassVar[str] = "spectrum-tone"
    source: ClassVar[str] = "Zhai et al. 2021 (one-hot spectrum, low volume); bins, range and level are ours"

    snr_db: float = param(30.0, "how far the trigger lies under the clip's audio", unit="dB", low=-20.0, high=90.0)
    low: float = param(500.0, "the lowest frequency that may be drawn", unit="Hz", low=50.0, high=90_000.0)
    high: float = param(4000.0, "the highest frequency that may be drawn", unit="Hz", low=50.0, high=90_000.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.high < self.low + _SPACING:
            raise PoisonkitError(
                f"spectrum-tone.high={self.high} is not {_SPACING} Hz above spectrum-tone.low={self.low}",
                "give a range that holds a bin",
            )

    @property
    def highest(self) -> float:
        return self.high

    def draw(self, seconds: float, rng: np.random.Generator) -> Drawn:
        """`frequency`, float64 (), Hz."""
        first, last = int(np.ceil(self.low / _SPACING)), int(np.floor(self.high / _SPACING))
        return {"frequency": np.array(_SPACING * rng.integers(first, last + 1))}

    def waves(self, num_samples: int, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        return tone(num_samples, rate, float(drawn["frequency"]))
