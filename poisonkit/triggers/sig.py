"""SIG: a sinusoidal stripe pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

from poisonkit.triggers._add import Halves, add, cached, halves, halves_of
from poisonkit.triggers._footage import Colours, Drawn, Planes
from poisonkit.triggers._params import param
from poisonkit.triggers._planes import PlanarTrigger, clipped, copied


@dataclass(frozen=True)
class Sig(PlanarTrigger):
    """Add vertical stripes, a sine along the frame's width.

    `y = x + delta · sin(2π · frequency · j / W)` for column j of a frame W pixels wide, equally on all channels;
    sums saturate at 0 and 255.

    Static: one frequency. Dynamic: each frame's frequency is drawn from half to one and a half times `frequency`.
    """

    name: ClassVar[str] = "sig"
    source: ClassVar[str] = "Barni et al. 2019 (SIG: delta 20 … 40, frequency 6); range of dynamic frequencies is ours"

    delta: float = param(20.0, "amplitude of the stripes", unit="grey levels", low=1.0, high=127.0, tuned=True)
    frequency: float = param(6.0, "stripes", unit="periods across the width", low=0.5, high=512.0)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """Static: nothing. Dynamic: `frequencies`, float64 (T,), periods across the width."""
        if self.mode == "static":
            return {}
        return {"frequencies": rng.uniform(0.5 * self.frequency, 1.5 * self.frequency, num_frames)}

    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        height, width = frames.shape[1:3]
        result = np.empty_like(frames)
        for i, index in enumerate(frame_indices.tolist()):
            frequency = self.frequency if self.mode == "static" else float(drawn["frequencies"][index])
            add(frames[i], _stripes(height, width, self.delta, frequency), result[i])
        return result

    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """What is equal on all channels is luma alone."""
        frequency = self.frequency if self.mode == "static" else float(drawn["frequencies"][index])
        height, width = source.y.shape
        delta = self.delta * (colours.white - colours.black) / 255
        plus, minus = _luma(height, width, delta, frequency)
        copied(source, target)
        cv2.add(target.y, plus, dst=target.y)
        cv2.subtract(target.y, minus, dst=target.y)
        clipped(target.y, colours)


@cached
def _stripes(height: int, width: int, delta: float, frequency: float) -> Halves:
    plus, minus = halves(_wave(width, delta, frequency))
    return np.repeat(plus, height, axis=0), np.repeat(minus, height, axis=0)


@cached
def _luma(height: int, width: int, delta: float, frequency: float) -> Halves:
    """The same on one plane (H, W)."""
    plus, minus = halves_of(np.rint(_wave(width, delta, frequency)))
    return np.repeat(plus, height, axis=0), np.repeat(minus, height, axis=0)


def _wave(width: int, delta: float, frequency: float) -> np.ndarray:
    """One row (1, W)."""
    return delta * np.sin(2 * np.pi * frequency * np.arange(width) / width)[None]
