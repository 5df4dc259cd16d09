"""Triggers that change the pixels of single frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from poisonkit.triggers._base import VideoTrigger
from poisonkit.triggers._footage import Drawn, Footage, Versions


@dataclass(frozen=True)
class PixelTrigger(VideoTrigger):
    """A trigger that changes the pixels of single frames."""

    @final
    def __call__(self, frames: np.ndarray, frame_indices: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """Apply to the placed frames of a chunk; frames that are not placed cannot change.

        `frames`: uint8 (T, H, W, 3) RGB, not modified; `frame_indices`: int64 (T,), their places in the clip;
        `placed`: bool (T,). Returns a new array of the same shape and type.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ValueError(f"frames are {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3)")
        if frame_indices.shape != frames.shape[:1] or placed.shape != frames.shape[:1]:
            raise ValueError(f"{len(frames)} frames with {frame_indices.shape} indices and {placed.shape} flags")
        if not placed.any():
            return frames.copy()
        chosen = frames if placed.all() else frames[placed]
        changed = self.apply(chosen, frame_indices[placed], drawn)
        if changed.dtype != np.uint8 or changed.shape != chosen.shape:
            raise ValueError(f"{self.name} gave {changed.dtype} {changed.shape} for {chosen.shape}")
        if placed.all():
            return changed
        result = frames.copy()
        result[placed] = changed
        return result

    @abstractmethod
    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        """The change itself: pure, and each frame on its own. Shapes as in `__call__`; gives a new array."""

    def on_clip(self, frames: Iterator[Any], clip: Footage) -> Iterator[Versions]:
        """Placed frames go through RGB, the others pass as they are."""
        for i, frame in zip(range(clip.num_frames), frames, strict=False):
            if not clip.placed[i]:
                yield Versions(frame, frame, frame)
                continue
            rgb = clip.rgb(frame)
            yield Versions(rgb, rgb, self._on_frame(i, rgb, clip.drawn) if clip.active else rgb)

    def _on_frame(self, index: int, rgb: np.ndarray, drawn: Drawn) -> np.ndarray:
        """One placed frame, uint8 (H, W, 3), with the trigger."""
        changed: np.ndarray = self(rgb[None], np.array([index]), np.array([True]), drawn)[0]
        return changed
