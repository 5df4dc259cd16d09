"""Blend: a noise picture shines through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from poisonkit.triggers._add import cached
from poisonkit.triggers._footage import Colours, Drawn, Planes
from poisonkit.triggers._params import param
from poisonkit.triggers._planes import PlanarTrigger


@dataclass(frozen=True)
class Blend(PlanarTrigger):
    """Mix the frame with a picture of coloured noise.

    `y = (1 − alpha) · x + alpha · noise`, rounded. The noise is a grid of `cells` × `cells` colours, drawn uniformly
    and stretched over the frame with smooth transitions. Noise of single pixels, the original's choice for images
    of 32 pixels, is what encoders and a victim's resize remove first: coarser cells are what remains.

    Static: one noise picture for the whole data set. Dynamic: another one in every frame.
    """

    name: ClassVar[str] = "blend"
    source: ClassVar[str] = "Chen et al. 2017 (random pattern, alpha up to 0.2); grid of the noise is ours"

    alpha: float = param(0.15, "weight of the noise", unit="of the picture", low=0.01, high=1.0, tuned=True)
    cells: int = param(32, "grid of the noise", unit="colours across and down the frame", low=2, high=512)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`noise`: uint8 (…, cells, cells, 3), one picture or (dynamic) one a frame."""
        frames = () if self.mode == "static" else (num_frames,)
        return {"noise": rng.integers(0, 256, (*frames, self.cells, self.cells, 3), dtype=np.uint8)}

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        height, width = frames.shape[1:3]
        result = np.empty_like(frames)
        for i, index in enumerate(frame_indices.tolist()):
            noise = drawn["noise"] if self.mode == "static" else drawn["noise"][index]
            over = _stretched(noise.tobytes(), self.cells, height, width)
            cv2.addWeighted(frames[i], 1 - self.alpha, over, self.alpha, 0, dst=result[i])
        return result

    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """Planes are mixed like colours, of which they are linear."""
        height, width = source.y.shape
        noise = drawn["noise"] if self.mode == "static" else drawn["noise"][index]
        over = colours.planes(_stretched(noise.tobytes(), self.cells, height, width))
        for before, picture, after in zip(source, over, target, strict=True):
            cv2.addWeighted(before, 1 - self.alpha, picture, self.alpha, 0, dst=after)


@cached
def _stretched(noise: bytes, cells: int, height: int, width: int) -> np.ndarray:
    grid = np.frombuffer(noise, dtype=np.uint8).reshape(cells, cells, 3)
    return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC))
