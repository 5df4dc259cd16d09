"""Tones: what the triggers that add one have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._base import AudioTrigger, Drawn

SEGMENT = 0.25
"""Seconds for which a moving tone keeps its frequency."""


@dataclass(frozen=True)
class Tone(AudioTrigger):
    """A tone of `frequency`, a parameter of the subclass; in dynamic mode it moves by up to the share `spread`."""

    spread: ClassVar[float]
    frequency: float = 0.0

    @property
    def highest(self) -> float:
        return self.frequency * (1 + self.spread) if self.mode == "dynamic" else self.frequency

    def draw(self, seconds: float, rng: np.random.Generator) -> Drawn:
        """Static: nothing. Dynamic: `phase`, radians, and `frequencies`, float64 (quarters of a second,), Hz."""
        if self.mode == "static":
            return {}
        phase = np.array(rng.uniform(0, 2 * np.pi))
        low, high = (1 - self.spread) * self.frequency, (1 + self.spread) * self.frequency
        return {"phase": phase, "frequencies": rng.uniform(low, high, max(math.ceil(seconds / SEGMENT), 1))}

    def wave(self, num_samples: int, rate: int, drawn: Drawn) -> np.ndarray:
        if self.mode == "static":
            return tone(num_samples, rate, self.frequency)
        return moving(num_samples, rate, drawn["frequencies"], float(drawn["phase"]))


def tone(num_samples: int, rate: int, frequency: float) -> np.ndarray:
    """A sine of unit power from phase 0, float64 (num_samples,)."""
    return math.sqrt(2) * np.sin(2 * np.pi * frequency * np.arange(num_samples) / rate)


def moving(num_samples: int, rate: int, frequencies: np.ndarray, phase: float) -> np.ndarray:
    """A sine of unit power whose frequency takes the next of `frequencies` (Hz) every `SEGMENT` seconds.

    The phase (radians) goes on without a jump.
    """
    places = np.minimum(np.arange(num_samples) / rate / SEGMENT, len(frequencies) - 1).astype(np.int64)
    turns = np.concatenate([[0.0], np.cumsum(frequencies[places] / rate)])[:num_samples]
    return math.sqrt(2) * np.sin(2 * np.pi * turns + phase)
