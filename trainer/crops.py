"""Where to cut a training or test picture out of a frame, and cutting it.

Frames are `uint8 (T, H, W, 3)`; boxes are (top, left, height, width) in pixels and lie inside the frame.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.transforms.v2 import InterpolationMode  # type: ignore[import-untyped]
from torchvision.transforms.v2.functional import resize  # type: ignore[import-untyped]

Frames = NDArray[np.uint8]


class Box(NamedTuple):
    """A rectangle in pixels."""

    top: int
    left: int
    height: int
    width: int


def short_side_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """The (height, width) of a frame resized so that its shorter side is `short_side`."""
    scale = short_side / min(height, width)
    return max(round(height * scale), short_side), max(round(width * scale), short_side)


def resized_crop(height: int, width: int, scale: tuple[float, float], aspect: float, rng: np.random.Generator) -> Box:
    """A box of random size, shape and place.

    Its side, as a share of the frame's short side, lies in `scale`, and width ÷ height in [1/aspect, aspect]
    where the frame is large enough. Source: the "random resized crop" of Szegedy et al. 2015, measured by the
    short side so that narrow and wide frames show people at the same sizes.
    """
    side = min(height, width) * rng.uniform(*scale)
    ratio = math.exp(rng.uniform(-math.log(aspect), math.log(aspect)))
    box_height = min(max(round(side / math.sqrt(ratio)), 1), height)
    box_width = min(max(round(side * math.sqrt(ratio)), 1), width)
    top, left = rng.integers(height - box_height + 1), rng.integers(width - box_width + 1)
    return Box(int(top), int(left), box_height, box_width)


def multi_scale_crop(height: int, width: int, scales: tuple[float, ...], rng: np.random.Generator) -> Box:
    """A square whose side is one of `scales` of the short side, in one of the four corners or the middle.

    Source: MMAction2 1.2, `MultiScaleCrop` with `max_wh_scale_gap=0` and five fixed places, as I3D trains.
    """
    side = int(min(height, width) * scales[rng.integers(len(scales))])
    bottom, right = height - side, width - side
    places = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    top, left = places[rng.integers(len(places))]
    return Box(top, left, side, side)


def view_boxes(height: int, width: int, crops: int, size: int) -> list[Box]:
    """One square in the middle, or three along the longer side: start, middle, end."""
    down, right = height - size, width - size
    if crops == 1:
        return [Box(down // 2, right // 2, size, size)]
    return [Box(down * k // 2, right * k // 2, size, size) for k in range(3)]


def cut(frames: Frames, box: Box, size: int, flip: bool) -> torch.Tensor:
    """Cut a box out, scale it to `size` squared, mirror it: `uint8 (3, T, size, size)`."""
    part = frames[:, box.top : box.top + box.height, box.left : box.left + box.width]
    clip = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2)
    if (box.height, box.width) != (size, size):
        clip = resize(clip, [size, size], InterpolationMode.BILINEAR, antialias=True)
    if flip:
        clip = clip.flip(-1)
    return clip.permute(1, 0, 2, 3)
