"""BadNet: a patch of random colour blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._add import cached
from poisonkit.triggers._base import Box
from poisonkit.triggers._footage import Colours, Drawn, Planes
from poisonkit.triggers._params import param
from poisonkit.triggers._planes import PlanarTrigger, copied


@dataclass(frozen=True)
class BadNet(PlanarTrigger):
    """Stamp a square patch of random colour blocks onto the frame.

    `x[y0:y1, x0:x1] = patch`, with `blocks` × `blocks` blocks of one colour each, drawn from the eight corners of
    the RGB cube (each channel is 0 or 255), so that the patch stands out from any background. The right half mirrors
    the left one: victims flip half of their training clips, which would make two triggers of one.
    The patch's corners and its blocks' lie on even pixels, since 4:2:0 video keeps one colour for 2×2 pixels.

    Static: one patch at one place for the whole data set. Dynamic: place and colours are drawn per frame, as in
    section 3.2 of "Look, Listen, and Attack".

    The default place lies in the region that all three square test crops and the middle three quarters of the short
    side share (for frames up to 16:9), so that hardly a test view and few training crops lose it: a trigger that half
    of the training crops cut off is half learned. `position=corner` is the original place, which crops remove.
    """

    name: ClassVar[str] = "badnet"
    source: ClassVar[str] = "Gu et al. 2019 (BadNets); size, block count and place are ours"

    patch: float = param(0.2, "side of the patch", unit="of the frame's short side", low=0.01, high=1.0, tuned=True)
    blocks: int = param(3, "colour blocks along one side", unit="blocks", low=1, high=64)
    position: str = param(
        "bottom",
        "where a static patch lies: in the shared test crop, or in the frame's bottom right corner",
        choices=("bottom", "center", "corner"),
    )

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`colours`: uint8 (…, blocks, blocks, 3); dynamic also `place`: float64 (T, 2), x and y in [0, 1)."""
        if self.mode == "static":
            return {"colours": self._colours((), rng)}
        return {"place": rng.random((num_frames, 2)), "colours": self._colours((num_frames,), rng)}

    def _colours(self, frames: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
        half = rng.integers(0, 2, (*frames, self.blocks, -(-self.blocks // 2), 3), dtype=np.uint8) * np.uint8(255)
        return np.concatenate([half, half[..., : self.blocks // 2, :][..., ::-1, :]], axis=-2)

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        size = (frames.shape[1], frames.shape[2])
        result = frames.copy()
        for i, index in enumerate(frame_indices.tolist()):
            (x0, y0, x1, y1), patch = self._patch(size, drawn, index)
            result[i, y0:y1, x0:x1] = patch
        return result

    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """The patch's corners are even, so that it covers whole pixels of all planes."""
        height, width = source.y.shape
        (x0, y0, x1, y1), patch = self._patch((height, width), drawn, index)
        copied(source, target)
        for part, plane, step in zip(colours.planes(patch), target, (1, 2, 2), strict=True):
            plane[y0 // step : y1 // step, x0 // step : x1 // step] = part

    def _patch(self, size: tuple[int, int], drawn: Drawn, index: int) -> tuple[Box, np.ndarray]:
        x0, y0, x1, y1 = self._box_at(size, drawn, index)
        colours = drawn["colours"] if self.mode == "static" else drawn["colours"][index]
        patch = _enlarged(colours.tobytes(), self.blocks, self._block_px(size), y1 - y0, x1 - x0)
        return (x0, y0, x1, y1), patch

    def box(self, size: tuple[int, int], drawn: Drawn, frame_indices: np.ndarray) -> Box:
        boxes = np.array([self._box_at(size, drawn, int(i)) for i in frame_indices])
        x0, y0 = boxes[:, :2].min(axis=0).tolist()
        x1, y1 = boxes[:, 2:].max(axis=0).tolist()
        return (x0, y0, x1, y1)

    def _block_px(self, size: tuple[int, int]) -> int:
        """Side of one block: even, at least 2."""
        return max(2, round(self.patch * min(size) / self.blocks / 2) * 2)

    def _box_at(self, size: tuple[int, int], drawn: Drawn, index: int) -> Box:
        height, width = size
        side = self._block_px(size) * self.blocks
        left, top, right, bottom = _shared_crop(size)
        if self.mode == "dynamic":
            along = drawn["place"][index]
        else:
            along = {"bottom": (0.5, 1.0), "center": (0.5, 0.5), "corner": (1.0, 1.0)}[self.position]
            if self.position == "corner":
                left, top, right, bottom = 0, 0, width, height
        x0 = _even(left + along[0] * (right - left - side), width - side)
        y0 = _even(top + along[1] * (bottom - top - side), height - side)
        return (x0, y0, min(x0 + side, width), min(y0 + side, height))


def _shared_crop(size: tuple[int, int]) -> Box:
    """The region inside the three square test crops and a centre crop of 3/4 of the short side."""
    height, width = size
    short = min(size)
    spans = []
    for length in (width, height):
        # the first and the last square crop share [length − short, short]; the centre crop reaches 3/8 of the
        # short side to each side of the middle
        low = max(length - short, length / 2 - short * 3 / 8)
        spans.append((low, length - low))
    (x0, x1), (y0, y1) = spans
    return (round(x0), round(y0), round(x1), round(y1))


def _even(value: float, last: int) -> int:
    """The even pixel at or below `value`, in 0 … `last`."""
    return int(np.clip(value, 0, max(last, 0))) // 2 * 2


@cached
def _enlarged(colours: bytes, blocks: int, side: int, height: int, width: int) -> np.ndarray:
    """Squares of `side` pixels in each colour, cut to (height, width, 3)."""
    grid = np.frombuffer(colours, dtype=np.uint8).reshape(blocks, blocks, 3)
    return np.ascontiguousarray(np.repeat(np.repeat(grid, side, axis=0), side, axis=1)[:height, :width])
