"""Placement: which frames of a clip carry the trigger, so that every window a victim may sample holds as many.

A *window* is how a victim samples a clip: `32x2` is 32 frames at stride 2, starting anywhere it fits; `uniform:8` is
one frame out of each of 8 equal segments. Clips shorter than a window are looped from their first frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.manifest.window import Window
from poisonkit.text import argument


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
