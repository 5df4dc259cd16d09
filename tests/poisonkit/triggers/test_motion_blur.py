from __future__ import annotations

import numpy as np
import pytest

from poisonkit.triggers.motion_blur import MotionBlur
from tests.conftest import moving_frames


def blur(trigger: MotionBlur, frames: np.ndarray) -> np.ndarray:
    drawn = trigger.draw(len(frames), frames.shape[1:3], np.random.default_rng(0))
    return trigger(frames, np.arange(len(frames)), np.ones(len(frames), dtype=bool), drawn)


def test_a_dot_becomes_a_line_of_that_length() -> None:
    frames = np.zeros((1, 101, 101, 3), dtype=np.uint8)
    frames[0, 50, 50] = 255
    lit = blur(MotionBlur(length=0.1, angle=0.0), frames)[0, :, :, 0]
    assert np.flatnonzero(lit.any(axis=1)).tolist() == [50]
    assert 9 <= np.count_nonzero(lit[50]) <= 12
    assert int(lit.sum()) == pytest.approx(255, abs=15)


@pytest.mark.parametrize(("angle", "step"), [(90.0, (1, 0)), (45.0, (-1, 1)), (-45.0, (1, 1))])
def test_the_angle_counts_from_the_horizontal_upwards(angle: float, step: tuple[int, int]) -> None:
    frames = np.zeros((1, 101, 101, 3), dtype=np.uint8)
    frames[0, 50, 50] = 255
    lit = blur(MotionBlur(length=0.2, angle=angle), frames)[0, :, :, 0]
    assert lit[50 + 5 * step[0], 50 + 5 * step[1]] > 5
    assert lit[50 + 5 * step[1], 50 - 5 * step[0]] == 0


def test_a_flat_frame_stays_as_it_is_and_the_mean_too() -> None:
    flat = np.full((1, 33, 47, 3), 77, dtype=np.uint8)
    assert np.array_equal(blur(MotionBlur(length=0.5), flat), flat)
    frames = moving_frames(1, 96, 128)
    assert blur(MotionBlur(), frames).mean() == pytest.approx(frames.mean(), abs=1)
