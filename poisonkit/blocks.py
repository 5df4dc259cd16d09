"""Audio in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

BLOCK = 2**17
"""Samples, per channel, of streams that are measured side by side: 2.6 s at 50 kHz, a megabyte of stereo."""


def recut(blocks: Iterable[np.ndarray], length: int = BLOCK) -> Iterator[np.ndarray]:
    """The same samples (C, n) in blocks of `length`; the last one may be shorter."""
    parts: list[np.ndarray] = []
    held = 0
    for block in blocks:
        parts.append(block)
        held += block.shape[1]
        if held >= length:
            joined = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)
            whole = held // length * length
            for first in range(0, whole, length):
                yield joined[:, first : first + length]
            parts, held = [joined[:, whole:]], held - whole
    if held:
        yield np.concatenate(parts, axis=1)
