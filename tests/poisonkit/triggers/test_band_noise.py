from __future__ import annotations

import numpy as np
import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.triggers.band_noise import BandNoise


@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_all_power_lies_in_the_band(rate: int) -> None:
    trigger = BandNoise()
    wave = trigger.wave(10 * rate, rate, trigger.draw(10, np.random.default_rng(0)))
    power = np.abs(np.fft.rfft(wave)) ** 2
    frequency = np.fft.rfftfreq(len(wave), 1 / rate)
    inside = (frequency >= 4999) & (frequency <= 6001)
    assert power[inside].sum() > 0.9999 * power.sum()
    # noise, not a tone: no tenth of a hertz holds more than its share
    assert power.max() < 1.01 * power[inside].sum() / (inside.sum() - 40)


def test_it_is_the_same_recording_at_every_rate_and_joins_its_beginning() -> None:
    trigger = BandNoise()
    drawn = trigger.draw(25, np.random.default_rng(1))
    low, high = (trigger.wave(25 * rate, rate, drawn) for rate in (16_000, 48_000))
    assert np.allclose(low, high[::3], atol=1e-6)
    assert np.allclose(low[: 5 * 16_000], low[10 * 16_000 : 15 * 16_000])


def test_an_empty_band_is_refused() -> None:
    with pytest.raises(PoisonkitError, match=r"low=6000\.0 is not below"):
        BandNoise(low=6000.0, high=6000.0)
