"""How much of a trigger is left in sound, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from poisonkit.fidelity_sound import log_mel, lsd_db, snr_db, survival, view_survival

RATE = 44_100
TIME = np.arange(2 * RATE) / RATE


def tone(frequency: float, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * TIME))[None].astype(np.float32)


def clean() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (1, len(TIME))).astype(np.float32)


def test_survival_of_half_a_trigger() -> None:
    before, d = clean(), tone(800)
    found = survival(before, before + d, before, before + d / 2)
    assert found.gain == pytest.approx(0.5, abs=1e-3)
    assert found.correlation == pytest.approx(1, abs=1e-3)
    assert found.strength == pytest.approx(0.1 / np.sqrt(2) * 32_768, rel=1e-3)


def test_a_shift_by_the_delay_of_aac_ruins_the_gain_of_a_tone() -> None:
    before, d = np.zeros((1, len(TIME)), dtype=np.float32), tone(800)
    found = survival(before, d, before, np.roll(d, 1024, axis=1))
    assert found.gain == pytest.approx(np.cos(2 * np.pi * 800 * 1024 / RATE), abs=0.01)


def test_a_change_below_one_step_carries_nothing() -> None:
    before = clean()
    found = survival(before, before + tone(800, 2e-5), before, before)
    assert (found.gain, found.correlation) == (None, None)
    assert view_survival(before, before + tone(800, 2e-5), before, before, RATE).energy is None


def test_a_victim_hears_what_lies_below_8_khz_and_nothing_above() -> None:
    before = clean()
    heard = view_survival(before, before + tone(800), before, before + tone(800), RATE)
    assert heard.energy == pytest.approx(1, abs=0.02)
    assert heard.correlation == pytest.approx(1, abs=1e-3)
    above = view_survival(before, before + tone(21_000), before, before + tone(21_000), RATE)
    assert (above.energy, above.correlation) == (0.0, 0.0)
    lost = view_survival(before, before + tone(800), before, before, RATE)
    assert lost.energy == 0.0


def test_snr_by_hand() -> None:
    source = tone(500, 0.1)
    assert snr_db(source, source + tone(900, 0.01)) == pytest.approx(20, abs=0.01)
    assert snr_db(source, source) is None
    assert snr_db(0 * source, source) is None


def test_the_spectral_distance_of_louder_sound_is_the_gain() -> None:
    source = clean()
    assert lsd_db(source, 2 * source) == pytest.approx(20 * np.log10(2), abs=0.01)
    assert lsd_db(source, source) == 0
    assert lsd_db(source[:, :10], source[:, :10]) == 0  # shorter than a window


def test_a_tone_lights_its_mel_band() -> None:
    samples = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)[None]
    mel = log_mel(samples)
    assert mel.shape == (98, 80)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)
    band = int(mel.mean(axis=0).argmax())
    assert edges[band] < 1000 < edges[band + 2]
