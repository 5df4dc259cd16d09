"""Frames as a manifest writes them: arithmetic runs, and masks."""

from __future__ import annotations

import numpy as np

Run = tuple[int, int, int]
"""Frames `range(start, stop, step)`."""


def to_runs(mask: np.ndarray) -> list[Run]:
    """Write a mask as few arithmetic runs `(start, stop, step)`: unbroken stretches, or one run per phase."""
    indices = np.flatnonzero(mask)
    if not len(indices):
        return []
    breaks = np.flatnonzero(np.diff(indices) != 1) + 1
    stretches = [(int(part[0]), int(part[-1]) + 1, 1) for part in np.split(indices, breaks)]
    phases = _phase_runs(indices)
    return phases if len(phases) < len(stretches) else stretches


def _phase_runs(indices: np.ndarray) -> list[Run]:
    """Greedy runs at the period after which the mask repeats itself."""
    left = {int(i) for i in indices}
    periods = np.unique(indices - indices[0])[1:65]
    best: list[Run] = []
    for period in periods.tolist():
        runs = []
        rest = set(left)
        for first in indices.tolist():
            if first not in rest:
                continue
            last = first
            while last in rest:
                rest.discard(last)
                last += period
            runs.append((first, last - period + 1, period if last - period > first else 1))
        if not best or len(runs) < len(best):
            best = runs
    return best or [(int(i), int(i) + 1, 1) for i in indices]


def from_runs(runs: list[Run], num_frames: int) -> np.ndarray:
    """The inverse of `to_runs`: a bool mask (num_frames,)."""
    mask = np.zeros(num_frames, dtype=bool)
    for start, stop, step in runs:
        mask[start:stop:step] = True
    return mask
