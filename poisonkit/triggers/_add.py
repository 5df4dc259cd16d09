"""Adding a fixed pattern to frames without leaving 0 … 255."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

Halves = tuple[np.ndarray, np.ndarray]
"""What is added and what is taken away, both uint8 (H, W, 3); of each pair of values one is 0."""


def halves(pattern: np.ndarray) -> Halves:
    """Split a pattern of grey levels (H, W, 3) or (H, W), rounded, into what is added and what is taken away."""
    if pattern.ndim == 2:
        pattern = np.repeat(pattern[:, :, None], 3, axis=2)
    return halves_of(np.rint(pattern))


def halves_of(whole: np.ndarray) -> Halves:
    """The same of whole numbers of any shape."""
    return np.clip(whole, 0, 255).astype(np.uint8), np.clip(-whole, 0, 255).astype(np.uint8)


def add(frame: np.ndarray, pattern: Halves, out: np.ndarray) -> None:
    """Write a uint8 frame plus a pattern to `out`; sums saturate, they never wrap around."""
    plus, minus = pattern
    cv2.add(frame, plus, dst=out)
    cv2.subtract(out, minus, dst=out)


def cached(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep the last few results: a clip's frames come one by one, and all of one size share a pattern."""
    return lru_cache(maxsize=4)(make)
