"""Placement: which frames of a clip carry the trigger, so that every window a victim may sample holds as many.

A *window* is how a victim samples a clip: `32x2` is 32 frames at stride 2, starting anywhere it fits; `uniform:8` is
one frame out of each of 8 equal segments. Clips shorter than a window are looped from their first frame.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.text import argument

Run = tuple[int, int, int]
"""Frames `range(start, stop, step)`."""


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
        """One frame of each of `length` segments, int64 (length,), at the share `within` (0 ≤ … < 1) of each."""
        borders = np.arange(self.length + 1, dtype=np.int64) * num_frames // self.length
        return borders[:-1] + (within * np.diff(borders)).astype(np.int64)

    def looped(self, num_frames: int) -> np.ndarray:
        """The frames that the only window of a clip shorter than `span` visits, int64 (length,)."""
        k = np.arange(self.length, dtype=np.int64)
        if self.stride is None:
            return k * num_frames // self.length
        return k * self.stride % num_frames


@dataclass(frozen=True)
class Placed:
    """`mask`: bool (num_frames,), the frames that carry the trigger; `count`: how many of a window's frames do."""

    mask: np.ndarray
    count: int


def place(frames: str, window: Window, num_frames: int, rng: np.random.Generator, *, contiguous: bool) -> Placed:
    """Resolve the rule `all`, `random` or a count per window on a clip of `num_frames` frames.

    Clips of at least `window.span` frames get exactly that count in every window, wherever it starts: a frame is
    placed when its step, modulo the window's length, lies in a drawn set, and a window visits consecutive steps.
    Shorter clips get it in their one looped window where multiplicities allow it, else the nearest possible count.
    `contiguous` keeps the placed steps together, for triggers that work in time.
    """
    if frames == "all":
        return Placed(np.ones(num_frames, dtype=bool), window.length)
    count = int(rng.integers(1, window.length + 1)) if frames == "random" else int(frames)
    if num_frames >= window.span:
        if contiguous:
            chosen = (int(rng.integers(window.length)) + np.arange(count)) % window.length
        else:
            chosen = rng.permutation(window.length)[:count]
        return Placed(np.isin(window.steps(num_frames) % window.length, chosen), count)
    visits = np.bincount(window.looped(num_frames), minlength=num_frames)
    mask = _nearest_run(visits, count, rng) if contiguous else _nearest_subset(visits, count, rng)
    return Placed(mask, int(visits[mask].sum()))


def check_rule(frames: str, window: Window) -> None:
    """Raise `PoisonkitError` unless `frames` is `all`, `random` or a count that the window can hold."""
    if frames in ("all", "random"):
        return
    if not frames.isascii() or not frames.isdigit() or not 1 <= int(frames) <= window.length:
        raise PoisonkitError(
            f"{argument('frames', frames)} cannot be placed in a window of {window}",
            f"give all, random or 1 … {window.length}",
        )


def _nearest_subset(visits: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """A drawn set of frames whose visits sum to `count`, or as near as any set comes (at least one visit)."""
    order = rng.permutation(np.flatnonzero(visits))
    reachable = [{0}]  # reachable[i]: sums that the last i frames of the order can make
    for frame in order[::-1]:
        reachable.append(reachable[-1] | {s + int(visits[frame]) for s in reachable[-1]})
    goal = min((s for s in reachable[-1] if s > 0), key=lambda s: (abs(s - count), s))
    mask = np.zeros(len(visits), dtype=bool)
    for i, frame in enumerate(order):
        if goal - int(visits[frame]) in reachable[len(order) - i - 1]:
            mask[frame] = True
            goal -= int(visits[frame])
    return mask


def _nearest_run(visits: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """A drawn run of consecutive frames whose visits sum to `count`, or as near as any run comes."""
    total = np.concatenate([[0], np.cumsum(visits)])
    sums = total[None, :] - total[:, None]  # sums[a, b]: visits of the frames a … b − 1
    distance = np.where(sums > 0, np.abs(sums - count), np.iinfo(np.int64).max)
    starts, stops = np.nonzero(distance == distance.min())
    pick = int(rng.integers(len(starts)))
    mask = np.zeros(len(visits), dtype=bool)
    mask[starts[pick] : stops[pick]] = True
    return mask


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
