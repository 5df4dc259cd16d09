"""A victim's temporal sampling as a manifest names it: `32x2` or `uniform:8`."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.text import argument


@dataclass(frozen=True)
class Window:
    """A victim's temporal sampling: `length` frames at `stride`, or one frame of each of `length` segments.

    `stride` is None for uniform sampling.
    """

    length: int
    stride: int | None

    @classmethod
    def parse(cls, text: str) -> Window:
        dense = re.fullmatch(r"(\d+)x(\d+)", text)
        uniform = re.fullmatch(r"uniform:(\d+)", text)
        window = None
        if dense:
            window = cls(int(dense[1]), int(dense[2]))
        elif uniform:
            window = cls(int(uniform[1]), None)
        if (
            window is None
            or not 1 <= window.length <= 1024
            or not (window.stride is None or 1 <= window.stride <= 1024)
        ):
            raise PoisonkitError(
                f"{argument('window', text)} is not a window",
                "write LENGTHxSTRIDE such as 32x2, or uniform:8 for 8 segments",
            )
        return window

    def __str__(self) -> str:
        return f"uniform:{self.length}" if self.stride is None else f"{self.length}x{self.stride}"

    @property
    def span(self) -> int:
        """Frames from the first to the last sampled one; shorter clips have a single, looped window."""
        return self.length if self.stride is None else (self.length - 1) * self.stride + 1

    def steps(self, num_frames: int) -> np.ndarray:
        """The sampling step that each frame falls into, int64 (num_frames,); equal steps are interchangeable."""
        frames = np.arange(num_frames, dtype=np.int64)
        if self.stride is not None:
            return frames // self.stride
        return (frames * self.length + self.length - 1) // max(num_frames, 1)

    def middle(self, num_frames: int) -> np.ndarray:
        """The frames of the one window in the middle of a clip, int64 (length,); shorter clips are looped."""
        k = np.arange(self.length, dtype=np.int64)
        if self.stride is None:
            return self.segments(num_frames, 0.5)
        if num_frames < self.span:
            return self.looped(num_frames)
        return (num_frames - self.span) // 2 + k * self.stride

    def segments(self, num_frames: int, within: float) -> np.ndarray:
        """One frame of each of `length` segments, int64 (length,), at the fraction `within` (0 ≤ … < 1) of each."""
        borders = np.arange(self.length + 1, dtype=np.int64) * num_frames // self.length
        return borders[:-1] + (within * np.diff(borders)).astype(np.int64)

    def looped(self, num_frames: int) -> np.ndarray:
        """The frames that the only window of a clip shorter than `span` visits, int64 (length,)."""
        k = np.arange(self.length, dtype=np.int64)
        if self.stride is None:
            return k * num_frames // self.length
        return k * self.stride % num_frames
