"""How audible a change is, and how much of it a victim hears: plain arithmetic on samples, no files.

Sound is float32 (C, N), full scale at ±1.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from poisonkit.fidelity import CARRIES, SurvivalMeter
from poisonkit.manifest import Survival, ViewSurvival

STEPS = 32_768
"""Steps of 16 bits up to full scale: the unit of a trigger's strength in sound."""
VIEW_RATE = 16_000
VIEW_BANDS = 80
VIEW = f"{VIEW_RATE}/{VIEW_BANDS}"
_WINDOW, _HOP, _BINS = 400, 160, 512
"""25 ms every 10 ms at 16 kHz, as speech and audio victims take them."""
_QUIET = 1e-10
"""Power below which a spectrum counts as this: −100 dB of full scale."""
_UNHEARD = 0.01
"""Share of the change's power below the victim's highest frequency, under which it does not hear the trigger."""


def survival(before: np.ndarray, after: np.ndarray, before_back: np.ndarray, after_back: np.ndarray) -> Survival:
    """As `fidelity.SurvivalMeter`, with the strength in steps of 16 bits."""
    meter = SurvivalMeter()
    meter.add(*(STEPS * part.astype(np.float64) for part in (before, after, before_back, after_back)))
    return meter.result()


def view_survival(
    before: np.ndarray, after: np.ndarray, before_back: np.ndarray, after_back: np.ndarray, rate: int
) -> ViewSurvival:
    """What a victim that hears mono at 16 kHz, as 80 log-mel bands, is given of the trigger.

    `energy`: the power of the change in its input, over the power of the change that was meant; `correlation`: cosine
    of the change in its log-mel and of the change that was meant there. Both are 0 for a trigger above 8 kHz.
    """
    whole = after.astype(np.float64) - before
    if not whole.size or STEPS * math.sqrt(np.mean(whole**2)) < CARRIES:
        return ViewSurvival(VIEW, None, None)
    heard = [_victims(part, rate) for part in (before, after, before_back, after_back)]
    power = float(np.mean(whole.mean(axis=0) ** 2))
    if np.mean((heard[1] - heard[0]) ** 2) < _UNHEARD * power:
        return ViewSurvival(VIEW, 0.0, 0.0)
    energy = float(np.mean((heard[3] - heard[2]) ** 2)) / power
    mels = [log_mel(part) for part in heard]
    meant, left = mels[1] - mels[0], mels[3] - mels[2]
    norms = math.sqrt(float((meant**2).sum() * (left**2).sum()))
    correlation = float((meant * left).sum()) / norms if norms else 0.0
    return ViewSurvival(VIEW, round(energy, 4), round(correlation, 4))


def snr_db(source: np.ndarray, written: np.ndarray) -> float | None:
    """The source's power over that of the change, trigger and codec together; None for equal sound, or silence."""
    signal = float(np.sum(np.square(source, dtype=np.float64)))
    noise = float(np.sum(np.square(written.astype(np.float64) - source)))
    return round(10 * math.log10(signal / noise), 4) if signal and noise else None


def lsd_db(source: np.ndarray, written: np.ndarray) -> float:
    """Log-spectral distance in dB: over bins of a 512-point spectrum the RMS, over frames and channels the mean.

    Gray and Markel 1976; both spectra are held above −100 dB of full scale.
    """
    one, other = (10 * np.log10(_power(part)) for part in (source, written))
    return round(float(np.sqrt(np.mean((one - other) ** 2, axis=-1)).mean()), 4)


def log_mel(samples: np.ndarray) -> np.ndarray:
    """float64 (frames, 80): natural logarithm of the mel power of mono sound (1, N) at 16 kHz."""
    return np.asarray(np.log(np.maximum(_power(samples)[0] @ _filters(), _QUIET)))


def power_db(samples: np.ndarray, window: int, hop: int) -> np.ndarray:
    """float64 (C, frames, window / 2 + 1): power of Hann windows, dB of full scale, for pictures of it."""
    return np.asarray(10 * np.log10(_power(samples, window, hop, window)))


def _power(samples: np.ndarray, window: int = _WINDOW, hop: int = _HOP, bins: int = _BINS) -> np.ndarray:
    """float64 (C, frames, bins / 2 + 1): power of Hann windows; sound shorter than one is padded by silence."""
    samples = samples.astype(np.float64)
    if samples.shape[1] < window:
        samples = np.pad(samples, ((0, 0), (0, window - samples.shape[1])))
    weights = np.hanning(window + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(samples, window, axis=1)[:, ::hop]
    spectrum = np.abs(np.fft.rfft(frames * weights, bins)) ** 2 / weights.sum() ** 2
    return np.asarray(np.maximum(spectrum, _QUIET))


def _victims(samples: np.ndarray, rate: int) -> np.ndarray:
    """Mono at 16 kHz, float64 (1, N)."""
    from scipy.signal import resample_poly  # slow to import, and needed for sound alone

    common = math.gcd(rate, VIEW_RATE)
    mono = samples.astype(np.float64).mean(axis=0)
    return np.asarray(resample_poly(mono, VIEW_RATE // common, rate // common))[None]


@lru_cache
def _filters() -> np.ndarray:
    """float64 (257, 80): triangles, evenly spaced on the mel scale (O'Shaughnessy 1987) from 0 to 8 kHz."""
    top = 2595 * math.log10(1 + VIEW_RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, VIEW_BANDS + 2) / 2595) - 1)
    bins = np.arange(_BINS // 2 + 1)[:, None] * VIEW_RATE / _BINS
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0.0)
