from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample, interpolate

from poisonkit.triggers.wanet import WaNet
from tests.conftest import moving_frames


def warp(trigger: WaNet, frames: np.ndarray, drawn: dict[str, np.ndarray]) -> np.ndarray:
    return trigger(frames, np.arange(len(frames)), np.ones(len(frames), dtype=bool), drawn)


def published(frame: np.ndarray, field: np.ndarray, strength: float) -> np.ndarray:
    """The original's arithmetic: normalised coordinates, a field grown by bicubic interpolation, `grid_sample`."""
    side = frame.shape[0]
    noise = torch.from_numpy(field).float().permute(2, 0, 1)[None]
    noise = interpolate(noise, size=side, mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    along = torch.linspace(-1, 1, steps=side)
    row, column = torch.meshgrid(along, along, indexing="ij")
    identity = torch.stack((column, row), dim=2)[None]
    grid = torch.clamp(identity + strength * noise / side, -1, 1)
    picture = torch.from_numpy(frame).float().permute(2, 0, 1)[None]
    return grid_sample(picture, grid, align_corners=True)[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("strength", [0.5, 2.0])
def test_on_square_pictures_of_32_pixels_it_is_the_published_warp(strength: float) -> None:
    trigger, frames = WaNet(strength=strength), moving_frames(1, 32, 32)
    drawn = trigger.draw(1, (32, 32), np.random.default_rng(0))
    result = warp(trigger, frames, drawn)[0].astype(float)
    expected = published(frames[0], drawn["field"], strength)
    assert np.abs(result - expected).max() <= 1.5
    assert np.abs(result - expected).mean() < 0.35 < np.abs(frames[0] - expected).mean()


def test_larger_frames_are_bent_as_much() -> None:
    trigger = WaNet()
    drawn = trigger.draw(1, (64, 64), np.random.default_rng(1))
    found = []
    for side in (64, 256):
        column = np.broadcast_to(np.arange(side) / (side - 1) * 255, (side, side))
        frames = np.repeat(column[None, :, :, None], 3, axis=3).astype(np.uint8)
        shift = warp(trigger, frames, drawn)[0, :, :, 0].astype(float) - frames[0, :, :, 0]
        found.append(np.abs(shift[side // 8 : -side // 8, side // 8 : -side // 8]).mean())
    assert found[1] == pytest.approx(found[0], rel=0.15)


def test_it_never_reads_beyond_the_frame() -> None:
    frames = np.full((1, 41, 57, 3), 200, dtype=np.uint8)
    trigger = WaNet(strength=8.0)
    drawn = trigger.draw(1, (41, 57), np.random.default_rng(0))
    assert np.array_equal(warp(trigger, frames, drawn), frames)
