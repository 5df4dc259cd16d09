"""FTrojan: two frequencies, hidden in the colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._add import Halves, add, cached, halves
from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param
from poisonkit.triggers._pixels import PixelTrigger


@dataclass(frozen=True)
class FTrojan(PixelTrigger):
    """Add a middle and a high frequency to the colour channels of every block.

    In each block of `block` × `block` pixels, `magnitude` is added to two coefficients of the orthonormal DCT of Cr and
    Cb (BT.601). That is the same as adding one pattern to every frame, which is what is done; sums saturate, where the
    original's wrapped around. Blocks that the frame's edge cuts get the part of the pattern that fits.

    Such a pattern hardly survives any lossy encoder, nor a victim's resize: see the survival in the manifest.

    Static: the coefficients at half and at the end of the block's frequencies, (15, 15) and (31, 31) for 32. Dynamic:
    two coefficients above a quarter of the frequencies, drawn for each frame.
    """

    name: ClassVar[str] = "ftrojan"
    source: ClassVar[str] = "Wang et al. 2021 (FTrojan: block 32, magnitude 30); choice of dynamic coefficients is ours"

    magnitude: float = param(30.0, "added to coefficients", unit="grey levels (DCT)", low=1.0, high=1000.0, tuned=True)
    block: int = param(32, "side of a block", unit="px", low=4, high=256)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`coefficients`: int64 (…, 2, 2), (row, column) of two coefficients, static or one pair a frame."""
        if self.mode == "static":
            middle, last = self.block // 2 - 1, self.block - 1
            return {"coefficients": np.array([[middle, middle], [last, last]])}
        return {"coefficients": rng.integers(self.block // 4, self.block, (num_frames, 2, 2))}

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        height, width = frames.shape[1:3]
        result = np.empty_like(frames)
        for i, index in enumerate(frame_indices.tolist()):
            pairs = drawn["coefficients"] if self.mode == "static" else drawn["coefficients"][index]
            places = tuple(map(tuple, pairs.tolist()))
            add(frames[i], _pattern(height, width, self.block, self.magnitude, places), result[i])
        return result


@cached
def _pattern(height: int, width: int, block: int, magnitude: float, places: tuple[tuple[int, int], ...]) -> Halves:
    waves = [np.outer(_basis(row, block), _basis(column, block)) for row, column in places]
    tile = magnitude * np.sum(waves, axis=0)
    # what the same step of Cr and Cb does to R, G and B (BT.601)
    plus, minus = halves(tile[:, :, None] * np.array([1.402, -0.714136 - 0.344136, 1.772]))
    count = (-(-height // block), -(-width // block), 1)
    cut = np.s_[:height, :width]
    return np.ascontiguousarray(np.tile(plus, count)[cut]), np.ascontiguousarray(np.tile(minus, count)[cut])


def _basis(k: int, size: int) -> np.ndarray:
    """The k-th vector of the orthonormal DCT-II, float64 (size,)."""
    scale = np.sqrt((1 if k == 0 else 2) / size)
    made: np.ndarray = scale * np.cos(np.pi * (2 * np.arange(size) + 1) * k / (2 * size))
    return made
