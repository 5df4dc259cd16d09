from __future__ import annotations

import cv2
import numpy as np
import pytest

from poisonkit.triggers.ftrojan import FTrojan
from tests.conftest import moving_frames


def apply(trigger: FTrojan, frames: np.ndarray) -> np.ndarray:
    drawn = trigger.draw(len(frames), frames.shape[1:3], np.random.default_rng(0))
    return trigger(frames, np.arange(len(frames)), np.ones(len(frames), dtype=bool), drawn)


def published(frame: np.ndarray, magnitude: float) -> np.ndarray:
    """Block by block: to YCrCb, DCT, two coefficients of two channels, and back."""
    planes = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2YCrCb) * 255
    for channel in (1, 2):
        for y in range(0, frame.shape[0], 32):
            for x in range(0, frame.shape[1], 32):
                block = cv2.dct(np.ascontiguousarray(planes[y : y + 32, x : x + 32, channel]))
                block[15, 15] += magnitude
                block[31, 31] += magnitude
                planes[y : y + 32, x : x + 32, channel] = cv2.idct(block)
    return cv2.cvtColor(planes / 255, cv2.COLOR_YCrCb2RGB) * 255


@pytest.mark.parametrize("magnitude", [30.0, 100.0])
def test_it_is_the_published_change_of_coefficients(magnitude: float) -> None:
    frames = moving_frames(1, 64, 96)
    result = apply(FTrojan(magnitude=magnitude), frames)[0].astype(float)
    expected = np.clip(published(frames[0], magnitude), 0, 255)
    assert np.abs(result - expected).max() < 1.0
    assert np.abs(result - frames[0]).mean() > 0.9


def test_the_pattern_is_cut_at_the_edges_of_odd_frames() -> None:
    grey = np.full((1, 71, 45, 3), 128, dtype=np.uint8)
    whole = apply(FTrojan(), np.full((1, 96, 64, 3), 128, dtype=np.uint8))
    assert np.array_equal(apply(FTrojan(), grey)[0], whole[0, :71, :45])


def test_sums_saturate_where_the_original_wrapped() -> None:
    white = np.full((1, 64, 64, 3), 255, dtype=np.uint8)
    assert apply(FTrojan(magnitude=100.0), white).min() > 200
