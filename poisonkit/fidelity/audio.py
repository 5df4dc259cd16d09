"""How audible a change is, and how much of it a victim hears: plain arithmetic on samples, no files.

Audio is float32 (C, N), full scale at ±1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from poisonkit.blocks import recut
from poisonkit.fidelity.video import CARRIES, SurvivalMeter
from poisonkit.manifest import Survival, ViewSurvival

STEPS = 32_768
"""Steps of 16 bits up to full scale: the unit of a trigger's strength in audio."""
VIEW_RATE = 16_000
VIEW_BANDS = 80
VIEW = f"{VIEW_RATE}/{VIEW_BANDS}"
_WINDOW, _HOP, _BINS = 400, 160, 512
"""25 ms every 10 ms at 16 kHz, as speech and audio victims take them."""
_SECONDS = 3
"""How much of the audio is looked at at once: enough for arrays to pay, little enough for a processor's cache."""
_QUIET = 1e-10
"""Power below which a spectrum counts as this: −100 dB of full scale."""
_UNHEARD = 0.01
"""Fraction of the change's power below the victim's highest frequency, under which it does not hear the trigger."""


class AudibilityMeter:
    """Accumulates how audible the change is from the source to the written audio, over blocks (C, n) in order."""

    def __init__(self) -> None:
        self._signal = self._noise = self._distance = 0.0
        self._windows = 0
        self._pieces = _Pieces(256 * _HOP, _WINDOW - _HOP)

    def add(self, source: np.ndarray, written: np.ndarray) -> None:
        pair = np.stack([source, written])
        self._signal += float(np.sum(np.square(pair[0], dtype=np.float64)))
        self._noise += float(np.sum(np.square(pair[1].astype(np.float64) - pair[0])))
        for piece in self._pieces.cut(pair):
            self._add_distance(piece)

    def _add_distance(self, pair: np.ndarray) -> None:
        one, other = 10 * np.log10(_power(pair))
        distances = np.sqrt(np.mean((one - other) ** 2, axis=-1))
        self._distance += float(distances.sum())
        self._windows += distances.size

    @property
    def snr_db(self) -> float | None:
        """The source's power over that of the change, trigger and codec together; None for equal audio, or silence."""
        return round(10 * math.log10(self._signal / self._noise), 4) if self._signal and self._noise else None

    @property
    def lsd_db(self) -> float:
        """Log-spectral distance in dB: over bins of a 512-point spectrum the RMS, over frames and channels the mean.

        Gray and Markel 1976; both spectra are held above −100 dB of full scale.
        """
        rest = self._pieces.rest
        if rest is not None and (rest.shape[-1] >= _WINDOW or not self._windows):
            self._add_distance(rest)
            self._pieces.rest = None
        return round(self._distance / max(self._windows, 1), 4)


class AudioSurvivalMeter:
    """Accumulates what is left of the trigger over blocks (C, n) of audio in order, and what a victim hears of it."""

    def __init__(self, rate: int) -> None:
        self._kept = SurvivalMeter()
        common = math.gcd(rate, VIEW_RATE)
        self._up, self._down = VIEW_RATE // common, rate // common
        reach = 10 * max(self._up, self._down) // self._up + 1  # of the resampling filter, in samples to each side
        self._left = -(-reach // self._down) * self._down
        right = reach + math.ceil((_WINDOW - _HOP) * rate / VIEW_RATE)
        self._step = _SECONDS * VIEW_RATE
        self._pieces = _Pieces(_SECONDS * rate, self._left + right)
        self._whole = self._power = self._meant = self._heard = 0.0
        self._values = self._samples = self._heard_samples = self._windows = 0
        self._mels = np.zeros(3)

    def add(self, before: np.ndarray, after: np.ndarray, before_back: np.ndarray, after_back: np.ndarray) -> None:
        """The audio without and with the trigger, and both after the codec."""
        if not before.size:
            return
        parts = [part.astype(np.float64, order="C") for part in (before, after, before_back, after_back)]
        change, left = parts[1] - parts[0], parts[3] - parts[2]
        self._kept.add_change(STEPS * change.ravel(), STEPS * left.ravel())
        self._whole += float(np.sum(change**2))
        self._power += float(np.sum(change.mean(axis=0) ** 2))
        mono = np.stack([part.mean(axis=0) for part in parts])
        if not self._values:  # silence, as beyond the end
            mono = np.pad(mono, ((0, 0), (self._left, 0)))
        self._values += change.size
        self._samples += change.shape[1]
        for piece in self._pieces.cut(mono):
            self._listen(piece, self._step)

    def _listen(self, piece: np.ndarray, step: int | None) -> None:
        """Add the first `step` samples that the victim hears, and the windows that begin in them; all without it."""
        from scipy.signal import resample_poly  # slow to import, and needed for audio alone

        heard = resample_poly(piece, self._up, self._down, axis=1)[:, self._left * self._up // self._down :]
        own = heard[:, :step]
        self._meant += float(np.sum((own[1] - own[0]) ** 2))
        self._heard += float(np.sum((own[3] - own[2]) ** 2))
        self._heard_samples += own.shape[1]
        if step is None and heard.shape[1] < _WINDOW and self._windows:
            return
        mels = log_mel(heard if step is None else heard[:, : step + _WINDOW - _HOP])
        meant, left = mels[1] - mels[0], mels[3] - mels[2]
        self._mels += [(meant**2).sum(), (left**2).sum(), (meant * left).sum()]
        self._windows += len(meant)

    def result(self) -> Survival:
        """As `fidelity.SurvivalMeter`, with the strength in steps of 16 bits."""
        return self._kept.result()

    def view(self) -> ViewSurvival:
        """What a victim that hears mono at 16 kHz, as 80 log-mel bands, is given of the trigger.

        `energy`: the power of the change in its input, over the power of the change that was meant; `correlation`:
        cosine of the change in its log-mel and of the change that was meant there. Both are 0 for a trigger above
        8 kHz.
        """
        if not self._values or STEPS * math.sqrt(self._whole / self._values) < CARRIES:
            return ViewSurvival(VIEW, None, None)
        if self._pieces.rest is not None:
            self._listen(self._pieces.rest, None)
            self._pieces.rest = None
        power = self._power / self._samples
        if self._meant / self._heard_samples < _UNHEARD * power:
            return ViewSurvival(VIEW, 0.0, 0.0)
        energy = self._heard / self._heard_samples / power
        meant, left, cross = self._mels.tolist()
        correlation = cross / math.sqrt(meant * left) if meant * left else 0.0
        return ViewSurvival(VIEW, round(energy, 4), round(correlation, 4))


class _Pieces:
    """Blocks of audio joined and cut again, so that each piece goes `overlap` samples into the next one's `step`."""

    def __init__(self, step: int, overlap: int) -> None:
        self._step, self._overlap = step, overlap
        self.rest: np.ndarray | None = None
        """What is left after the last whole piece."""

    def cut(self, block: np.ndarray) -> Iterator[np.ndarray]:
        """The pieces (…, step + overlap) that are whole with this block (…, n)."""
        joined = block if self.rest is None else np.concatenate([self.rest, block], axis=-1)
        while joined.shape[-1] >= self._step + self._overlap:
            yield joined[..., : self._step + self._overlap]
            joined = joined[..., self._step :]
        self.rest = joined


def snr_db(source: np.ndarray, written: np.ndarray) -> float | None:
    """As `AudibilityMeter.snr_db`, of whole clips."""
    meter = AudibilityMeter()
    for blocks in zip(recut([source]), recut([written]), strict=True):
        meter.add(*blocks)
    return meter.snr_db


def log_mel(samples: np.ndarray) -> np.ndarray:
    """float64 (…, frames, 80): natural logarithm of the mel power of mono audio (…, N) at 16 kHz."""
    power = _power(samples)
    mel = (_filters() @ power.reshape(-1, power.shape[-1]).T).T
    made: np.ndarray = np.log(np.maximum(mel, _QUIET)).reshape(*power.shape[:-1], -1)
    return made


def power_db(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """float64 (C, frames, window / 2 + 1): power of Hann windows, dB of full scale, for pictures of it."""
    return np.asarray(10 * np.log10(_power(samples, window, hop, window)))


def _power(samples: np.ndarray, window: int = _WINDOW, hop: int = _HOP, bins: int = _BINS) -> np.ndarray:
    """float64 (…, frames, bins / 2 + 1): power of Hann windows; audio shorter than one is padded by silence."""
    samples = samples.astype(np.float64)
    if samples.shape[-1] < window:
        silence = np.zeros((*samples.shape[:-1], window - samples.shape[-1]))
        samples = np.concatenate([samples, silence], axis=-1)
    weights = np.hanning(window + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(samples, window, axis=-1)[..., ::hop, :]
    spectrum = np.fft.rfft(frames * weights, bins)
    made: np.ndarray = np.maximum((spectrum.real**2 + spectrum.imag**2) / weights.sum() ** 2, _QUIET)
    return made


@lru_cache
def _filters() -> Any:
    """float64 (80, 257): triangles, evenly spaced on the mel scale (O'Shaughnessy 1987) from 0 to 8 kHz.

    Sparse, since few are not 0, and since NumPy's product of full ones waits for threads.
    """
    from scipy.sparse import csr_array

    top = 2595 * math.log10(1 + VIEW_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, VIEW_BANDS + 2) / 2595) - 1)
    bins = np.arange(_BINS // 2 + 1)[:, None] * VIEW_RATE / _BINS
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return csr_array(np.maximum(np.minimum(rising, falling), 0.0).T)
