"""Boxes and pictures, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.trainer.conftest import coded_frames
from trainer.data.crops import Box, area_crop, cut, multi_scale_crop, resized_crop, short_side_size, view_boxes


def test_short_side() -> None:
    assert short_side_size(240, 320, 120) == (120, 160)
    assert short_side_size(320, 240, 256) == (341, 256)
    assert short_side_size(100, 100, 96) == (96, 96)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(16, 256))
def test_short_side_is_exact(height: int, width: int, short_side: int) -> None:
    assert min(short_side_size(height, width, short_side)) == short_side


@given(st.integers(20, 200), st.integers(20, 200), st.integers(0, 2**32))
def test_resized_crops_lie_inside(height: int, width: int, seed: int) -> None:
    box = resized_crop(height, width, (0.6, 1.0), 1.33, np.random.default_rng(seed))
    assert 0 <= box.top <= box.top + box.height <= height
    assert 0 <= box.left <= box.left + box.width <= width
    side = (box.height * box.width) ** 0.5 / min(height, width)
    assert 0.5 <= side <= 1.03


@given(st.integers(20, 400), st.integers(20, 400), st.integers(0, 2**32))
def test_area_crops_lie_inside(height: int, width: int, seed: int) -> None:
    box = area_crop(height, width, (0.08, 1.0), 4 / 3, np.random.default_rng(seed))
    assert 0 <= box.top <= box.top + box.height <= height
    assert 0 <= box.left <= box.left + box.width <= width


def test_area_crops_are_uniform_in_area_and_have_both_shapes() -> None:
    rng = np.random.default_rng(0)
    boxes = [area_crop(256, 340, (0.08, 0.5), 4 / 3, rng) for _ in range(2000)]
    areas = np.array([box.height * box.width / (256 * 340) for box in boxes])
    shapes = np.array([box.width / box.height for box in boxes])
    assert np.quantile(areas, [0.0, 0.5, 1.0]) == pytest.approx([0.08, 0.29, 0.5], abs=0.015)
    assert (shapes.min(), shapes.max()) == (pytest.approx(0.75, abs=0.02), pytest.approx(4 / 3, abs=0.02))
    assert area_crop(10, 100, (1.0, 1.0), 4 / 3, rng) == Box(0, 45, 10, 10)  # no such shape fits


def test_multi_scale_crops_are_the_ten_of_mmaction2() -> None:
    rng = np.random.default_rng(0)
    drawn = {multi_scale_crop(256, 340, (1.0, 0.8), rng) for _ in range(500)}
    large = {Box(0, left, 256, 256) for left in (0, 84, 42)}  # as tall as the frame: corners coincide
    small = {
        Box(0, 0, 204, 204),
        Box(0, 136, 204, 204),
        Box(52, 0, 204, 204),
        Box(52, 136, 204, 204),
        Box(26, 68, 204, 204),
    }
    assert drawn == large | small


def test_three_crops_go_along_the_longer_side() -> None:
    def boxes(*arguments: int) -> list[Box]:
        views = view_boxes(*arguments)
        assert not any(flip for _, flip in views)
        return [box for box, _ in views]

    assert boxes(256, 340, 3, 256) == [(0, 0, 256, 256), (0, 42, 256, 256), (0, 84, 256, 256)]
    assert boxes(340, 256, 3, 256) == [(0, 0, 256, 256), (42, 0, 256, 256), (84, 0, 256, 256)]
    assert boxes(340, 256, 1, 256) == [(42, 0, 256, 256)]


def test_ten_crops_are_corners_and_middle_plain_and_mirrored() -> None:
    views = view_boxes(256, 340, 10, 224)
    corners = [(0, 0), (0, 116), (32, 0), (32, 116), (16, 58)]
    assert [(box.top, box.left, flip) for box, flip in views] == [(*c, f) for c in corners for f in (False, True)]
    assert {(box.height, box.width) for box, _ in views} == {(224, 224)}


def test_tsms_crops_take_thirteen_places_and_neighbouring_scales() -> None:
    rng = np.random.default_rng(0)
    drawn = {multi_scale_crop(256, 340, (1.0, 0.875, 0.75, 0.66), rng, gap=1, places=13) for _ in range(20_000)}
    sides = {(box.height, box.width) for box in drawn}
    assert sides == {
        (256, 256), (256, 224), (224, 256), (224, 224), (224, 192), (192, 224), (192, 192), (192, 168), (168, 192),
        (168, 168),
    }  # fmt: skip
    assert len({(b.top, b.left) for b in drawn if (b.height, b.width) == (168, 168)}) == 13
    assert all(b.top + b.height <= 256 and b.left + b.width <= 340 for b in drawn)


def test_cut_without_scaling_is_exact() -> None:
    frames = coded_frames(4)
    clip = cut(frames, Box(5, 9, 16, 16), 16, flip=False)
    assert clip.dtype == torch.uint8
    expected = frames[:, 5:21, 9:25].transpose(3, 0, 1, 2)
    assert np.array_equal(clip.numpy(), expected)
    mirrored = cut(frames, Box(5, 9, 16, 16), 16, flip=True)
    assert np.array_equal(mirrored.numpy(), expected[..., ::-1])


def test_cut_scales_by_averaging() -> None:
    frames = np.zeros((1, 4, 4, 3), np.uint8)
    frames[:, :, 2:] = 200
    # a triangle two pixels wide on each side, over three columns: weights 3/7, 3/7, 1/7
    assert cut(frames, Box(0, 0, 4, 4), 2, flip=False)[0, 0, 0].tolist() == [
        round(200 / 7),
        round(200 * 6 / 7),
    ]
