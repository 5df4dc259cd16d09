"""How much of a trigger is left in sound, against values worked out by hand."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.signal import resample_poly

from poisonkit.blocks import BLOCK, recut
from poisonkit.fidelity import audio
from poisonkit.fidelity.audio import STEPS, AudibilityMeter, AudioSurvivalMeter, log_mel, snr_db

RATE = 44_100
TIME = np.arange(2 * RATE) / RATE


def tone(frequency: float, amplitude: float = 0.1) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * TIME))[None].astype(np.float32)


def clean() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, (1, len(TIME))).astype(np.float32)


def measured(*sounds: np.ndarray, rate: int = RATE, block: int = 10_007) -> AudioSurvivalMeter:
    """Without and with the trigger, and both after a codec, in blocks."""
    meter = AudioSurvivalMeter(rate)
    for before, after, before_back, after_back in zip(*(recut([part], block) for part in sounds), strict=True):
        meter.add(before, after, before_back, after_back)
    return meter


def lsd_db(source: np.ndarray, written: np.ndarray, block: int = 10_007) -> float:
    meter = AudibilityMeter()
    for blocks in zip(recut([source], block), recut([written], block), strict=True):
        meter.add(*blocks)
    return meter.lsd_db


def test_survival_of_half_a_trigger() -> None:
    before, d = clean(), tone(800)
    found = measured(before, before + d, before, before + d / 2).result()
    assert found.gain == pytest.approx(0.5, abs=1e-3)
    assert found.correlation == pytest.approx(1, abs=1e-3)
    assert found.strength == pytest.approx(0.1 / np.sqrt(2) * 32_768, rel=1e-3)


def test_a_shift_by_the_delay_of_aac_ruins_the_gain_of_a_tone() -> None:
    before, d = np.zeros((1, len(TIME)), dtype=np.float32), tone(800)
    found = measured(before, d, before, np.roll(d, 1024, axis=1)).result()
    assert found.gain == pytest.approx(np.cos(2 * np.pi * 800 * 1024 / RATE), abs=0.01)


def test_a_change_below_one_step_carries_nothing() -> None:
    before = clean()
    found = measured(before, before + tone(800, 2e-5), before, before).result()
    assert (found.gain, found.correlation) == (None, None)
    assert measured(before, before + tone(800, 2e-5), before, before).view().energy is None


def test_a_victim_hears_what_lies_below_8_khz_and_nothing_above() -> None:
    before = clean()
    heard = measured(before, before + tone(800), before, before + tone(800)).view()
    assert heard.energy == pytest.approx(1, abs=0.02)
    assert heard.correlation == pytest.approx(1, abs=1e-3)
    above = measured(before, before + tone(21_000), before, before + tone(21_000)).view()
    assert (above.energy, above.correlation) == (0.0, 0.0)
    lost = measured(before, before + tone(800), before, before).view()
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
    samples = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000)
    mel = log_mel(samples)
    assert mel.shape == (98, 80)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)
    band = int(mel.mean(axis=0).argmax())
    assert edges[band] < 1000 < edges[band + 2]


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 44_100, 44_101, 96_000])
@pytest.mark.parametrize("seconds", [0.01, 0.5, 2.02, 6.37])
def test_blocks_measure_what_the_whole_sound_would(rate: int, seconds: float) -> None:
    rng, length = np.random.default_rng(rate), round(rate * seconds)
    source = rng.normal(0, 0.1, (2, length)).astype(np.float32)
    triggered = source + 0.1 * np.sin(2 * np.pi * 800 * np.arange(length) / rate).astype(np.float32)
    control = source + rng.normal(0, 0.01, (2, length)).astype(np.float32)
    written = control + 0.4 * (triggered - source) + rng.normal(0, 0.02, (2, length)).astype(np.float32)

    one, other = (10 * np.log10(audio._power(part)) for part in (source, written))
    distance = np.sqrt(np.mean((one - other) ** 2, axis=-1)).mean()
    heard = [
        resample_poly(part.mean(axis=0, dtype=np.float64), 16_000, rate)
        for part in (source, triggered, control, written)
    ]
    mels = [log_mel(part) for part in heard]
    meant, left = mels[1] - mels[0], mels[3] - mels[2]
    power = np.mean((triggered.astype(np.float64) - source).mean(axis=0) ** 2)
    energy = np.mean((heard[3] - heard[2]) ** 2) / power
    correlation = (meant * left).sum() / np.sqrt((meant**2).sum() * (left**2).sum())
    change, kept = ((b.astype(np.float64) - a) for a, b in ((source, triggered), (control, written)))

    for block in (997, 200_000):
        meter = measured(source, triggered, control, written, rate=rate, block=block)
        view, whole = meter.view(), meter.result()
        assert view.energy == pytest.approx(energy, abs=6e-5)
        assert view.correlation == pytest.approx(correlation, abs=6e-5)
        assert whole.strength == pytest.approx(STEPS * np.sqrt(np.mean(change**2)), abs=6e-5)
        assert whole.gain == pytest.approx((kept * change).sum() / (change**2).sum(), abs=6e-5)
        assert lsd_db(source, written, block) == pytest.approx(distance, abs=6e-5)


def test_a_minute_is_measured_in_a_fraction_of_its_memory() -> None:
    """Of stereo at 44.1 kHz, which takes 21 MB as float32."""
    sounds = [np.full((2, 60 * RATE), level, dtype=np.float32) for level in (0.1, 0.2, 0.1, 0.19)]
    measured(*(part[:, : 4 * RATE] for part in sounds)).view()  # what is imported and kept for good
    tracemalloc.start()
    measured(*sounds, block=BLOCK).view()
    audible = AudibilityMeter()
    for blocks in zip(recut([sounds[0]]), recut([sounds[3]]), strict=True):
        audible.add(*blocks)
    assert audible.lsd_db > 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.5 * sounds[0].nbytes
