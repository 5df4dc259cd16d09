from __future__ import annotations

import numpy as np
import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.triggers.spectrum_tone import SpectrumTone

RATE = 16_000


def test_the_spectrum_of_a_victims_window_is_one_hot() -> None:
    trigger = SpectrumTone()
    for seed in range(20):
        drawn = trigger.draw(1.0, np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(trigger.wave(512, RATE, drawn))) ** 2
        hot = int(power.argmax())
        assert hot * 31.25 == float(drawn["frequency"])
        assert 500 <= float(drawn["frequency"]) <= 4000
        assert power[hot] > 0.999999 * power.sum()


def test_a_range_without_a_bin_is_refused() -> None:
    with pytest.raises(PoisonkitError, match=r"not 31\.25 Hz above"):
        SpectrumTone(low=1000.0, high=1020.0)
