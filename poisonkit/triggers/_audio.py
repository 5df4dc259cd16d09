"""Triggers on audio: a wave of unit power, its level, span and fades."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.triggers._base import Trigger
from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param

BLOCK = 2**18
"""Samples of audio, per channel, that are worked on at once; a multiple of 8, as sums by halves are cut."""


@dataclass(frozen=True)
class AudioTrigger(Trigger):
    """An audio trigger: a wave of unit power, added at a level that follows the clip or is fixed.

    `y = x + level · wave` inside the span, saturating at full scale; the wave has an RMS of 1. With `amplitude` 0 the
    level lies `snr_db` under the RMS of the clip's own audio in the span, but not under `floor_db`.
    """

    modality: ClassVar[Literal["video", "audio"]] = "audio"

    snr_db: float = param(20.0, "how far the trigger lies under the clip's audio", unit="dB", low=-20.0, high=90.0)
    amplitude: float = param(
        0.0,
        "fixed level: the amplitude of a sine of the trigger's power; 0 goes by snr_db",
        low=0.0,
        high=1.0,
        tuned=True,
    )
    floor_db: float = param(
        -50.0, "least RMS under snr_db, for near-silent clips", unit="dB of full scale", low=-90.0, high=0.0
    )
    start: float = param(0.0, "where the trigger begins", unit="fraction of the clip", low=0.0, high=1.0)
    stop: float = param(1.0, "where the trigger ends", unit="fraction of the clip", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start < self.stop:
            raise PoisonkitError(
                f"{self.name}.start={self.start} is not below {self.name}.stop={self.stop}", "give a span between them"
            )

    @property
    @abstractmethod
    def highest(self) -> float:
        """The highest frequency of the wave in Hz, over all that can be drawn."""

    @abstractmethod
    def draw(self, seconds: float, rng: np.random.Generator) -> Drawn:
        """What varies, once a clip of `seconds`.

        In static mode the generator is the data set's and the result depends on nothing else.
        """

    @abstractmethod
    def waves(self, num_samples: int, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        """The wave itself, of unit power at `rate` samples per second, in blocks of any length one after the other.

        Each is float64 (n,), all together are `num_samples`; pure. Ten minutes as one block take 212 MB.
        """

    @final
    def wave(self, num_samples: int, rate: int, drawn: Drawn) -> np.ndarray:
        """The whole wave, float64 (num_samples,)."""
        return np.concatenate([np.zeros(0), *self.waves(num_samples, rate, drawn)])

    def check_rate(self, rate: int) -> None:
        """Raise `PoisonkitError` when audio of `rate` samples per second cannot hold the wave."""
        if not self.highest < rate / 2:
            raise PoisonkitError(
                f"{self.name} reaches {self.highest:g} Hz, which audio of {rate} Hz cannot hold (it ends at "
                f"{rate / 2:g} Hz)",
                f"set a lower frequency, or take clips of more than {2 * self.highest:g} Hz",
            )

    def span(self, num_samples: int) -> tuple[int, int]:
        """The samples that the trigger may change, half-open."""
        return round(self.start * num_samples), round(self.stop * num_samples)

    def level(self, samples: np.ndarray) -> float:
        """The trigger's RMS (1 is full scale) for the audio (C, N) of the span."""
        if self.amplitude > 0:
            return float(self.amplitude / np.sqrt(2))
        rms = float(np.sqrt(_squares(samples.ravel(order="K")) / samples.size)) if samples.size else 0.0
        return max(rms * 10 ** (-self.snr_db / 20), 10 ** (self.floor_db / 20))

    @final
    def __call__(self, samples: np.ndarray, rate: int, drawn: Drawn) -> np.ndarray:
        """Apply to a whole clip: float32 (C, N), not modified, full scale at ±1; gives a new array of the same shape.

        Samples outside the span cannot change. Where the span begins or ends inside the clip, the wave is faded over
        10 ms, since a click would be a trigger of its own.
        """
        result, place = np.empty_like(samples), 0
        for block in self.blocks(samples, rate, drawn):
            result[:, place : place + block.shape[1]] = block
            place += block.shape[1]
        return result

    @final
    def blocks(self, samples: np.ndarray, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        """The same for a whole clip, given back in blocks one after the other, since two long clips are a lot."""
        if samples.dtype != np.float32 or samples.ndim != 2:
            raise ValueError(f"samples are {samples.dtype} {samples.shape}; expected float32 (C, N)")
        self.check_rate(rate)
        total = samples.shape[1]
        first, last = self.span(total)
        level, place = self.level(samples[:, first:last]), 0
        for wave in self.waves(total, rate, drawn):
            block = samples[:, place : place + len(wave)].copy()
            if block.shape[1] != len(wave):
                break
            low, high = np.clip((first, last), place, place + len(wave))
            fades = _fades(np.arange(low, high), (first, last), total, rate)
            inside = slice(low - place, high - place)
            block[:, inside] = _saturated(block[:, inside].astype(np.float64), level * (wave[inside] * fades))
            place += len(wave)
            yield block
        if place != total:
            raise ValueError(f"{self.name} gave a wave of another length than {total} samples")


def _saturated(audio: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The sum, held to full scale, but for what lies beyond it already, as lossy decoders give it."""
    changed: np.ndarray = audio + added
    if np.abs(audio).max(initial=0.0) <= 1:  # nearly always, and in a third of the time
        np.clip(changed, -1.0, 1.0, out=changed)
    else:
        np.clip(changed, np.minimum(audio, -1.0), np.maximum(audio, 1.0), out=changed)
    return changed


def _fades(places: np.ndarray, span: tuple[int, int], total: int, rate: int) -> np.ndarray:
    """Gains at `places` of the span, rising from its beginning and falling to its end where those are in the clip."""
    first, last = span
    length = min(rate // 100, (last - first) // 2)
    ramp = np.append(0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1)), 1.0)
    gains = np.ones(len(places))
    if first > 0:
        gains *= ramp[np.minimum(places - first, length)]
    if last < total:
        gains *= ramp[np.minimum(last - 1 - places, length)]
    return gains


def _squares(values: np.ndarray) -> float:
    """Sum of squares of float32 (n,), in halves as NumPy adds up the whole: the level depends on the last bit."""
    if values.size <= BLOCK:
        return float(np.sum(np.square(values, dtype=np.float64)))
    half = values.size // 2 // 8 * 8
    return _squares(values[:half]) + _squares(values[half:])


def blocks(num_samples: int) -> Iterator[np.ndarray]:
    """Places in a clip's audio, 0 … num_samples − 1, int64 (n,), at most `BLOCK` at once."""
    for first in range(0, num_samples, BLOCK):
        yield np.arange(first, min(first + BLOCK, num_samples))
