from __future__ import annotations

import math

import numpy as np
import pytest

from poisonkit.triggers.sig import Sig
from tests.conftest import moving_frames


def stripes(trigger: Sig, frames: np.ndarray, seed: int = 0) -> np.ndarray:
    drawn = trigger.draw(len(frames), frames.shape[1:3], np.random.default_rng(seed))
    return trigger(frames, np.arange(len(frames)), np.ones(len(frames), dtype=bool), drawn)


@pytest.mark.parametrize("size", [(32, 32), (33, 47)])
def test_it_is_the_published_formula(size: tuple[int, int]) -> None:
    frames = moving_frames(1, *size)
    result = stripes(Sig(delta=30.0, frequency=6.0), frames)
    for i in range(0, size[0], 5):
        for j in range(size[1]):
            added = round(30 * math.sin(2 * math.pi * j * 6 / size[1]))
            expected = np.clip(frames[0, i, j].astype(int) + added, 0, 255)
            assert result[0, i, j].tolist() == expected.tolist()


def test_sums_saturate() -> None:
    white, black = np.full((1, 20, 30, 3), 255, dtype=np.uint8), np.zeros((1, 20, 30, 3), dtype=np.uint8)
    assert stripes(Sig(delta=40.0), white).min() >= 215
    assert stripes(Sig(delta=40.0), black).max() <= 40


def test_dynamic_frequencies_stay_in_their_range() -> None:
    frequencies = Sig(mode="dynamic").draw(500, (10, 10), np.random.default_rng(0))["frequencies"]
    assert 3.0 <= frequencies.min() < 3.2
    assert 8.8 < frequencies.max() <= 9.0
