from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.video import SurvivalMeter, ViewMeter, VisibilityMeter, difference, measured, parse_view, ssim


def frame(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.uint8).reshape(1, -1, 3)


def test_survival_by_hand() -> None:
    # d = (8, 0, 0, 0, 0, 6), D = (4, 0, 0, 3, 0, 3): gain (32 + 18) / 100, correlation 50 / (10 · √34)
    meter = SurvivalMeter()
    meter.add(
        frame(10, 10, 10, 10, 10, 10),
        frame(18, 10, 10, 10, 10, 16),
        frame(9, 9, 9, 9, 9, 9),
        frame(13, 9, 9, 12, 9, 12),
    )
    result = meter.result()
    assert result.gain == 0.5
    assert result.correlation == pytest.approx(50 / (10 * math.sqrt(34)), abs=1e-4)
    assert result.strength == pytest.approx(math.sqrt(100 / 6), abs=1e-4)


def test_the_codecs_own_blur_does_not_count() -> None:
    # the codec darkens everything by 5, the trigger is gone: against the source it would look like a change
    source = np.full((8, 8, 3), 100, np.uint8)
    meter = SurvivalMeter()
    meter.add(source, source + 20, source - 5, source - 5)
    assert meter.result().gain == 0.0
    assert meter.result().correlation == 0.0


def test_below_one_grey_level_nothing_is_carried() -> None:
    source = np.full((10, 10, 3), 100, np.uint8)
    triggered = source.copy()
    triggered[0, 0] += 9  # RMS 0.9
    meter = SurvivalMeter()
    meter.add(source, triggered, source, triggered)
    assert (meter.result().gain, meter.result().correlation, meter.result().strength) == (None, None, 0.9)


def test_differences_are_signed() -> None:
    meter = SurvivalMeter()
    meter.add(frame(200, 0, 0), frame(100, 0, 0), frame(200, 0, 0), frame(100, 0, 0))
    assert meter.result().gain == 1.0


def test_psnr_and_linf_by_hand() -> None:
    meter = VisibilityMeter()
    source = np.zeros((10, 10, 3), np.uint8)
    written = source.copy()
    written[0, 0, 0] = 30  # MSE 900 / 300 = 3
    meter.add(source, written)
    assert meter.psnr_db == pytest.approx(10 * math.log10(255**2 / 3), abs=1e-4)
    assert meter.linf == 30


def test_equal_frames_have_no_finite_psnr() -> None:
    meter = VisibilityMeter()
    source = np.zeros((12, 12, 3), np.uint8)
    meter.add(source, source)
    assert (meter.psnr_db, meter.linf, meter.ssim) == (None, 0, 1.0)


def test_ssim_of_constant_pictures_is_the_luminance_term() -> None:
    a, b = np.full((32, 32, 3), 100, np.uint8), np.full((32, 32, 3), 150, np.uint8)
    c1 = (0.01 * 255) ** 2
    assert ssim(a, b) == pytest.approx((2 * 100 * 150 + c1) / (100**2 + 150**2 + c1), abs=1e-9)


@pytest.mark.parametrize("where", [np.s_[:], np.s_[-3:, -3:], np.s_[2:5, 4:], np.s_[40:110, 30:31]])
@pytest.mark.parametrize("size", [(7, 9), (120, 160), (150, 1000)])
def test_ssim_is_that_of_its_definition(size: tuple[int, int], where: tuple[slice, ...]) -> None:
    rng = np.random.default_rng(0)
    a = cv2.GaussianBlur(rng.integers(0, 256, (*size, 3), dtype=np.uint8), (5, 5), 2)
    b = a.copy()
    b[where] = np.clip(a[where] + rng.integers(-9, 10, a[where].shape), 0, 255)
    x, y = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY).astype(np.float64) for frame in (a, b))

    def mean(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    luminance = (2 * mx * my + c1) / (mx * mx + my * my + c1)
    assert ssim(a, b) == pytest.approx(np.mean(luminance * (2 * cov + c2) / (vx + vy + c2)), abs=2e-6)


def test_ssim_falls_with_noise() -> None:
    rng = np.random.default_rng(0)
    a = np.kron(rng.integers(0, 256, (8, 8, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    noisy = [np.clip(a + rng.normal(0, s, a.shape), 0, 255).astype(np.uint8) for s in (5, 20, 60)]
    values = [ssim(a, b) for b in noisy]
    assert 1 > values[0] > values[1] > values[2] > 0


def test_at_most_16_placed_frames_spread_over_the_clip() -> None:
    mask = np.zeros(300, bool)
    mask[100:] = True
    frames = measured(mask)
    assert len(frames) == 16
    assert (frames[0], frames[-1]) == (100, 299)
    assert mask[frames].all()
    assert measured(np.zeros(5, bool)).tolist() == [0, 1, 2, 3, 4]


def seen(change: np.ndarray, short: int, crop: int, left: float = 1.0) -> tuple[float | None, float | None]:
    """Energy and correlation when the share `left` of a change of mid-grey frames is in the file."""
    grey = np.full(change.shape, 128, dtype=np.uint8)
    triggered = (grey + change).astype(np.uint8)
    written = (grey + np.rint(left * change)).astype(np.uint8)
    meter = ViewMeter(short, crop)
    meter.add_change(difference(triggered, grey), difference(written, grey))
    result = meter.result()
    assert result.view == f"{short}/{crop}"
    return result.energy, result.correlation


def stripes(height: int, width: int, periods: float, amplitude: float = 40.0) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * periods * np.arange(width) / width)
    return np.rint(np.broadcast_to(wave[None, :, None], (height, width, 3)))


def test_a_view_as_large_as_the_frame_keeps_all() -> None:
    assert seen(stripes(64, 96, 6), 64, 64) == (1.0, 1.0)


def test_half_the_amplitude_is_a_quarter_of_the_energy() -> None:
    energy, correlation = seen(stripes(64, 64, 4), 64, 64, left=0.5)
    assert energy == pytest.approx(0.25, abs=0.02)
    assert correlation == pytest.approx(1.0, abs=0.001)


def test_coarse_stripes_pass_a_resize_and_noise_of_single_pixels_does_not() -> None:
    energy, correlation = seen(stripes(256, 320, 6), 64, 64)
    assert energy > 0.9
    assert correlation == pytest.approx(1.0)
    noise = np.random.default_rng(0).integers(-60, 61, (256, 320, 3))
    energy, _ = seen(noise, 64, 64)
    assert energy == pytest.approx(1 / 16, rel=0.1)  # the mean of 4 × 4 independent pixels


def test_a_trigger_outside_the_square_is_not_seen() -> None:
    change = np.zeros((64, 96, 3))
    change[50:, 80:] = 100
    assert seen(change, 64, 64) == (0.0, 0.0)
    assert seen(np.zeros((64, 96, 3)), 64, 64) == (None, None)


@pytest.mark.parametrize("text", ["224/256", "0", "256x224", "big", "256/0"])
def test_other_views_are_refused(text: str) -> None:
    assert parse_view("256") == (256, 256)
    assert parse_view("256/224") == (256, 224)
    with pytest.raises(PoisonkitError, match="no victim's input"):
        parse_view(text)


def test_the_gains_of_single_frames() -> None:
    grey = np.full((8, 8, 3), 100, dtype=np.uint8)
    meter = SurvivalMeter(per_frame=True)
    for kept in (20, 20, 20, 10, 0):
        meter.add(grey, grey + np.uint8(20), grey, grey + np.uint8(kept))
    meter.add(grey, grey, grey, grey)  # a frame without the trigger counts nowhere
    found = meter.result()
    assert (found.gain_mean, found.gain_p10) == (0.7, pytest.approx(0.2))
    assert SurvivalMeter().result().gain_mean is None


def test_the_euclidean_norm_by_hand() -> None:
    black = np.zeros((4, 5, 3), dtype=np.uint8)
    meter = VisibilityMeter()
    meter.add(black, black + np.uint8(255))
    meter.add(black, black)
    assert meter.l2 == pytest.approx(np.sqrt(60) / 2, abs=1e-3)
