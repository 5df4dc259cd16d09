from __future__ import annotations

import numpy as np
import pytest

from poisonkit.triggers.sine import Sine

RATE = 16_000


def test_a_static_tone_by_the_formula() -> None:
    wave = Sine(frequency=440).wave(RATE, RATE, {})
    expected = np.sqrt(2) * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    assert np.allclose(wave, expected, atol=1e-9)


def test_a_moving_tone_takes_its_drawn_frequencies_without_a_jump() -> None:
    trigger = Sine(mode="dynamic", frequency=800)
    drawn = trigger.draw(2.0, np.random.default_rng(4))
    assert len(drawn["frequencies"]) == 8
    assert (np.abs(drawn["frequencies"] - 800) <= 200).all()
    wave = trigger.wave(2 * RATE, RATE, drawn)
    for quarter, frequency in enumerate(drawn["frequencies"]):
        part = wave[quarter * RATE // 4 : (quarter + 1) * RATE // 4]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 16 * len(part)))
        assert spectrum.argmax() * RATE / (16 * len(part)) == pytest.approx(frequency, abs=3)
    steepest = np.sqrt(2) * 2 * np.pi * 1000 / RATE
    assert np.abs(np.diff(wave)).max() <= steepest


def test_the_highest_frequency_counts_what_can_be_drawn() -> None:
    assert Sine(frequency=800).highest == 800
    assert Sine(mode="dynamic", frequency=800).highest == 1000
