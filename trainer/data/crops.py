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

    Its side, as a fraction of the frame's short side, lies in `scale`, and width ÷ height in [1/aspect, aspect]
    where the frame is large enough. Source: the "random resized crop" of Szegedy et al. 2015, measured by the
    short side so that narrow and wide frames show people at the same sizes.
    """
    side = min(height, width) * rng.uniform(*scale)
    ratio = math.exp(rng.uniform(-math.log(aspect), math.log(aspect)))
    box_height = min(max(round(side / math.sqrt(ratio)), 1), height)
    box_width = min(max(round(side * math.sqrt(ratio)), 1), width)
    top, left = rng.integers(height - box_height + 1), rng.integers(width - box_width + 1)
    return Box(int(top), int(left), box_height, box_width)


def area_crop(height: int, width: int, fraction: tuple[float, float], aspect: float, rng: np.random.Generator) -> Box:
    """A box of a fraction of the area, drawn from `fraction`, with a width ÷ height drawn from [1/aspect, aspect].

    The first of ten draws that fits into the frame, else the largest square in the middle. Source: Szegedy et al. 2015
    as MMAction2 1.2 has it, `RandomResizedCrop`, with which SlowFast trains.
    """
    for _ in range(10):
        area = height * width * rng.uniform(*fraction)
        ratio = math.exp(rng.uniform(-math.log(aspect), math.log(aspect)))
        box_height, box_width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 1 <= box_height <= height and 1 <= box_width <= width:
            top, left = rng.integers(height - box_height + 1), rng.integers(width - box_width + 1)
            return Box(int(top), int(left), box_height, box_width)
    side = min(height, width)
    return Box((height - side) // 2, (width - side) // 2, side, side)


def multi_scale_crop(
    height: int,
    width: int,
    scales: tuple[float, ...],
    rng: np.random.Generator,
    gap: int = 0,
    places: int = 5,
) -> Box:
    """A box whose sides are some of `scales` of the short side, in a corner, in the middle, or in between.

    Width and height take scales at most `gap` apart in the list. 5 `places`: the corners and the middle; 13: also the
    middles of the sides, and halfway from the middle to the corners. Source: MMAction2 1.2, `MultiScaleCrop`, as I3D
    (gap 0, 5 places) and TSM (gap 1, 13 places) train.
    """
    pairs = [(h, w) for h in range(len(scales)) for w in range(len(scales)) if abs(h - w) <= gap]
    of_height, of_width = pairs[rng.integers(len(pairs))]
    short = min(height, width)
    box_height, box_width = int(short * scales[of_height]), int(short * scales[of_width])
    down, right = (height - box_height) // 4, (width - box_width) // 4  # steps of a grid of 5 × 5 places
    corners = [(0, 0), (0, 4), (4, 0), (4, 4), (2, 2)]
    between = [(0, 2), (2, 0), (2, 4), (4, 2), (1, 1), (1, 3), (3, 1), (3, 3)]
    grid = corners if places == 5 else corners + between
    y, x = grid[rng.integers(len(grid))]
    return Box(y * down, x * right, box_height, box_width)


def view_boxes(height: int, width: int, crops: int, size: int) -> list[tuple[Box, bool]]:
    """The squares of a test picture, and whether each is mirrored.

    1: the middle; 3: start, middle and end of the longer side; 10: the corners and the middle, plain and mirrored.
    """
    down, right = height - size, width - size
    if crops == 1:
        return [(Box(down // 2, right // 2, size, size), False)]
    if crops == 3:
        return [(Box(down * k // 2, right * k // 2, size, size), False) for k in range(3)]
    places = [(0, 0), (0, right), (down, 0), (down, right), (down // 2, right // 2)]
    return [(Box(top, left, size, size), flip) for top, left in places for flip in (False, True)]


def cut(frames: Frames, box: Box, size: int, flip: bool) -> torch.Tensor:
    """Cut a box out, scale it to `size` squared, mirror it: `uint8 (3, T, size, size)`."""
    part = frames[:, box.top : box.top + box.height, box.left : box.left + box.width]
    clip = torch.from_numpy(np.ascontiguousarray(part)).permute(0, 3, 1, 2)
    if (box.height, box.width) != (size, size):
        clip = resize(clip, [size, size], InterpolationMode.BILINEAR, antialias=True)
    if flip:
        clip = clip.flip(-1)
    return clip.permute(1, 0, 2, 3)
