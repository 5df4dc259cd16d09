"""WaNet: a smooth, small warp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from poisonkit.triggers._add import cached
from poisonkit.triggers._footage import Colours, Drawn, Planes
from poisonkit.triggers._params import param
from poisonkit.triggers._planes import PlanarTrigger

_PUBLISHED_SIDE = 32
"""Pixels of the images for which the original's strength was set."""


@dataclass(frozen=True)
class WaNet(PlanarTrigger):
    """Bend the frame by a smooth field of small shifts.

    A grid of `grid` × `grid` shifts is drawn from [−1, 1], divided by its mean magnitude, and interpolated by cubics
    over the frame. The original moves a pixel by `strength / 2` times the field's value, which was set for images
    32 pixels wide; here the shift is that fraction of the short side, so that larger frames are bent as much, and
    frames need not be square. Pixels are read by bilinear interpolation; the field never reads beyond the frame.

    Static: one field for the whole data set. Dynamic: another one in every frame.
    """

    name: ClassVar[str] = "wanet"
    source: ClassVar[str] = "Nguyen & Tran 2021 (WaNet: grid 4, strength 0.5); scaling with the frame is ours"

    strength: float = param(0.5, "size of the shifts", unit="2/32 of the short side", low=0.05, high=8.0, tuned=True)
    grid: int = param(4, "shifts drawn across and down the frame", unit="points", low=2, high=64)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`field`: float64 (…, grid, grid, 2), shifts to the right and down, of mean magnitude 1 a frame."""
        frames = () if self.mode == "static" else (num_frames,)
        field = rng.uniform(-1, 1, (*frames, self.grid, self.grid, 2))
        return {"field": field / np.abs(field).mean(axis=(-3, -2, -1), keepdims=True)}

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        height, width = frames.shape[1:3]
        result = np.empty_like(frames)
        for i, index in enumerate(frame_indices.tolist()):
            field = drawn["field"] if self.mode == "static" else drawn["field"][index]
            across, down = _map(field.tobytes(), self.grid, self.strength, height, width)
            cv2.remap(frames[i], across, down, cv2.INTER_LINEAR, dst=result[i], borderMode=cv2.BORDER_REPLICATE)
        return result

    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """The field is scaled with the picture, and so with a plane of half its size."""
        field = drawn["field"] if self.mode == "static" else drawn["field"][index]
        for before, after in zip(source, target, strict=True):
            across, down = _map(field.tobytes(), self.grid, self.strength, *before.shape)
            cv2.remap(before, across, down, cv2.INTER_LINEAR, dst=after, borderMode=cv2.BORDER_REPLICATE)


@cached
def _map(field: bytes, grid: int, strength: float, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel is read, in OpenCV's fixed-point form."""
    points = np.frombuffer(field).reshape(grid, grid, 2).astype(np.float32)
    # the grid's outer points lie on the frame's outer pixels
    x = np.linspace(0, grid - 1, width, dtype=np.float32)
    y = np.linspace(0, grid - 1, height, dtype=np.float32)
    at = np.meshgrid(x, y)
    shift = cv2.remap(points, at[0], at[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    shift = shift * np.float32(strength / 2 * min(height, width) / _PUBLISHED_SIDE)
    column, row = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    across = np.clip(column + shift[..., 0], 0, width - 1)
    down = np.clip(row + shift[..., 1], 0, height - 1)
    made = cv2.convertMaps(across, down, cv2.CV_16SC2)
    return made[0], made[1]
