"""Motion blur: the camera seems to have moved."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from poisonkit.triggers._add import cached
from poisonkit.triggers._footage import Colours, Drawn, Planes
from poisonkit.triggers._params import param
from poisonkit.triggers._planes import PlanarTrigger


@dataclass(frozen=True)
class MotionBlur(PlanarTrigger):
    """Smear the frame along a line, as a moving camera does.

    Each pixel becomes the mean along a line of `length` through it, at an angle to the horizontal; the frame's edge
    pixels continue outside.

    Static: one angle for the whole data set. Dynamic: an angle drawn for each frame.
    """

    name: ClassVar[str] = "motion-blur"
    source: ClassVar[str] = "Look, Listen, and Attack, section 4.2 (natural backdoors); length and angle are ours"

    length: float = param(0.06, "length of smear", unit="of the frame's short side", low=0.005, high=1.0, tuned=True)
    angle: float = param(0.0, "static direction, counted from the horizontal", unit="degrees", low=-180.0, high=180.0)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """Static: nothing. Dynamic: `angles`, float64 (T,), degrees in [0, 180)."""
        if self.mode == "static":
            return {}
        return {"angles": rng.uniform(0, 180, num_frames)}

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        pixels = max(self.length * min(frames.shape[1:3]), 2.0)
        result = np.empty_like(frames)
        for i, index in enumerate(frame_indices.tolist()):
            angle = self.angle if self.mode == "static" else float(drawn["angles"][index])
            _smear(frames[i], _line(pixels, angle), result[i])
        return result

    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """A line is half as long on planes of half the size."""
        pixels = max(self.length * min(source.y.shape), 2.0)
        angle = self.angle if self.mode == "static" else float(drawn["angles"][index])
        for before, after, length in zip(source, target, (pixels, pixels / 2, pixels / 2), strict=True):
            _smear(before, _line(length, angle), after)


def _smear(picture: np.ndarray, kernel: np.ndarray, target: np.ndarray) -> None:
    if len(kernel) == 1:  # along the rows, for which there is a faster way to the same sums
        cv2.sepFilter2D(picture, -1, kernel[0], np.ones(1, np.float32), dst=target, borderType=cv2.BORDER_REPLICATE)
    else:
        cv2.filter2D(picture, -1, kernel, dst=target, borderType=cv2.BORDER_REPLICATE)


@cached
def _line(length: float, angle: float) -> np.ndarray:
    """A kernel of sum 1 whose weight lies on a line through the middle, float32 (odd, odd)."""
    reach = math.ceil(length / 2)
    side = 2 * reach + 1
    kernel = np.zeros((side, side), dtype=np.float32)
    # points on the line, each dealt out to the four pixels around it
    along = np.linspace(-(length - 1) / 2, (length - 1) / 2, 8 * side)
    x = reach + along * math.cos(math.radians(angle))
    y = reach - along * math.sin(math.radians(angle))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - column, y - row
    for dy, dx, weight in (
        (0, 0, (1 - down) * (1 - right)),
        (0, 1, (1 - down) * right),
        (1, 0, down * (1 - right)),
        (1, 1, down * right),
    ):
        inside = (row + dy < side) & (column + dx < side)
        np.add.at(kernel, (row[inside] + dy, column[inside] + dx), weight[inside])
    kernel /= kernel.sum()
    # a line hardly fills its square: rows and columns of zeros at the edges only cost time
    rows, columns = (np.abs(np.flatnonzero(kernel.any(axis=axis)) - reach).max() for axis in (1, 0))
    return kernel[reach - rows : reach + rows + 1, reach - columns : reach + columns + 1]
