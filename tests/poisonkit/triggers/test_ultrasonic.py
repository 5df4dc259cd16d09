from __future__ import annotations

import numpy as np

from poisonkit.triggers.ultrasonic import Ultrasonic

RATE = 44_100


def test_it_lies_above_what_people_hear_and_what_16_khz_victims_are_given() -> None:
    for mode in ("static", "dynamic"):
        trigger = Ultrasonic(mode=mode)
        wave = trigger.wave(RATE, RATE, trigger.draw(1.0, np.random.default_rng(0)))
        power = np.abs(np.fft.rfft(wave * np.hanning(RATE))) ** 2
        assert power[20_000:].sum() > 0.999 * power.sum()


def test_its_static_tone_is_at_21_khz() -> None:
    assert np.abs(np.fft.rfft(Ultrasonic().wave(RATE, RATE, {}))).argmax() == 21_000
