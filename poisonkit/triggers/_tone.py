"""Tones: what the triggers that add one have in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._audio import AudioTrigger, blocks
from poisonkit.triggers._footage import Drawn

SEGMENT = 0.25
"""Seconds for which a moving tone keeps its frequency."""


@dataclass(frozen=True)
class Tone(AudioTrigger):
    """A tone of `frequency`, a parameter of the subclass; in dynamic mode it moves by up to the fraction `spread`."""

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

    def waves(self, num_samples: int, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        if self.mode == "static":
            return tone(num_samples, rate, self.frequency)
        return moving(num_samples, rate, drawn["frequencies"], float(drawn["phase"]))


def tone(num_samples: int, rate: int, frequency: float) -> Iterator[np.ndarray]:
    """A sine of unit power from phase 0, in blocks."""
    for places in blocks(num_samples):
        yield math.sqrt(2) * np.sin(2 * np.pi * frequency * places / rate)


def moving(num_samples: int, rate: int, frequencies: np.ndarray, phase: float) -> Iterator[np.ndarray]:
    """A sine of unit power whose frequency takes the next of `frequencies` (Hz) every `SEGMENT` seconds, in blocks.

    The phase (radians) goes on without a jump.
    """
    turn = 0.0
    for places in blocks(num_samples):
        segments = np.minimum(places / rate / SEGMENT, len(frequencies) - 1).astype(np.int64)
        turns = np.cumsum(np.concatenate([[turn], frequencies[segments] / rate]))
        turn = turns[-1]
        yield math.sqrt(2) * np.sin(2 * np.pi * turns[:-1] + phase)
