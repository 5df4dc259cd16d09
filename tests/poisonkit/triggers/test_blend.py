from __future__ import annotations

import numpy as np
import pytest

from poisonkit.triggers.blend import Blend
from tests.conftest import moving_frames


@pytest.mark.parametrize("alpha", [0.1, 0.2, 1.0])
def test_it_is_the_weighted_mean_with_the_noise(alpha: float) -> None:
    trigger, frames = Blend(alpha=alpha, cells=8), moving_frames(1, 64, 96)
    drawn = trigger.draw(1, (64, 96), np.random.default_rng(0))
    result = trigger(frames, np.zeros(1, dtype=int), np.ones(1, dtype=bool), drawn)
    only = Blend(alpha=1.0, cells=8)
    noise = only(frames, np.zeros(1, dtype=int), np.ones(1, dtype=bool), drawn)
    expected = (1 - alpha) * frames[0].astype(float) + alpha * noise[0].astype(float)
    assert np.abs(result[0] - expected).max() <= 0.51


def test_the_noise_has_as_many_cells_at_every_size() -> None:
    trigger = Blend(alpha=1.0, cells=4)
    small, large = (
        trigger(
            np.zeros((1, h, w, 3), dtype=np.uint8),
            np.zeros(1, dtype=int),
            np.ones(1, dtype=bool),
            trigger.draw(1, (h, w), np.random.default_rng(3)),
        )[0]
        for h, w in ((60, 80), (240, 320))
    )
    assert np.abs(large[2::4, 2::4].astype(int) - small.astype(int)).mean() < 8
