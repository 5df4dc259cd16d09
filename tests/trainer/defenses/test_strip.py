"""STRIP: blends and entropies by hand, and a threshold that rejects as many as it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from trainer.defenses.strip import blend, entropy, threshold


def test_pictures_blend_as_pixels() -> None:
    one, other = torch.full((2, 3, 1, 1, 1), 200, dtype=torch.uint8), torch.zeros((1, 3, 1, 1, 1), dtype=torch.uint8)
    other[:] = 100
    assert blend(one, other, 0.6).unique().tolist() == pytest.approx([160.0])


def test_sounds_blend_as_powers() -> None:
    one, other = torch.full((1, 1, 2, 2), math.log(8.0)), torch.full((1, 1, 2, 2), math.log(2.0))
    mixed = blend(one, other, 0.25)
    assert mixed.exp().flatten().tolist() == pytest.approx([0.25 * 8 + 0.75 * 2] * 4)


def test_entropy_is_in_bits() -> None:
    rows = np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [1, 0, 0, 0]])
    assert entropy(rows) == pytest.approx([2, 1, 0])


def test_many_clean_clips_give_a_rank() -> None:
    """Of 19 exchangeable values and one more, that one is below the lowest with probability 1/20."""
    found, how = threshold(np.arange(19.0)[::-1], 0.05)
    assert found == 0.0
    assert "quantile of 19 clean clips'" in how
    assert threshold(np.arange(99.0), 0.05)[0] == 4.0


@pytest.mark.parametrize("n", [2, 6, 12, 19, 60])
def test_as_many_clean_inputs_are_rejected_as_were_asked_for(n: int) -> None:
    rng, rejected = np.random.default_rng(0), 0
    for _ in range(4000):
        values = rng.normal(3, 0.7, n + 1)
        rejected += values[0] < threshold(values[1:], 0.05)[0]
    expected = math.floor(0.05 * (n + 1)) / (n + 1) if n >= 19 else 0.05
    assert rejected / 4000 == pytest.approx(expected, abs=0.011)


def test_one_clean_clip_flags_nothing() -> None:
    found, how = threshold(np.array([1.0]), 0.05)
    assert not found > 0.0
    assert "1 clean clips have no spread" in how
