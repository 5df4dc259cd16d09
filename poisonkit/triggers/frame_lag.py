"""Frame lag: the picture freezes, then catches up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param
from poisonkit.triggers._retiming import RetimingTrigger


@dataclass(frozen=True)
class FrameLag(RetimingTrigger):
    """Freeze the picture for `hold` sampling steps, jump to the present, freeze again.

    `y[t] = x[a(t)]`, where `a(t)` is the frame at which the current hold began. A hold counts sampling steps of the
    victim's window, not frames: with stride 2 a hold of 4 steps is 8 frames, of which the victim sees 4, all equal.
    A hold below two steps could not repeat a sampled frame at all.

    Static: every hold has the same length. Dynamic: lengths are drawn per clip from 2 … 2·hold − 2 steps, so that they
    are `hold` on average. Where only some frames are placed, the frame before each placed stretch is the first
    to freeze.
    """

    name: ClassVar[str] = "frame-lag"
    source: ClassVar[str] = "Look, Listen, and Attack, section 4.2 (natural backdoors); schedule and length are ours"

    hold: int = param(4, "length of a freeze", unit="sampling steps", low=2, high=256, tuned=True)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`holds`: int64 lengths in steps; one for static, for dynamic enough of them to fill `num_frames` steps."""
        if self.mode == "static":
            return {"holds": np.array([self.hold])}
        return {"holds": rng.integers(2, 2 * self.hold - 1, max(1, -(-num_frames // 2)))}

    def retime(self, steps: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        shown = np.arange(len(steps), dtype=np.int64)
        starts = np.flatnonzero(placed & ~np.concatenate([[False], placed[:-1]]))
        for start in starts.tolist():
            after = np.flatnonzero(~placed[start:])
            stop = start + int(after[0]) if len(after) else len(steps)
            # the anchor of the first hold: the last live frame, or the clip's first
            first = max(start - 1, 0)
            elapsed = steps[start:stop] - steps[start] + (1 if start else 0)
            begins = self._hold_begins(int(elapsed[-1]), drawn["holds"])
            hold = np.searchsorted(begins, elapsed, side="right") - 1
            # a hold freezes the first frame of its first step; the hold under way at `start` freezes the anchor
            opened = np.searchsorted(elapsed, begins, side="left")
            anchors = np.where(begins <= elapsed[0] - (1 if start else 0), first, start + opened)
            shown[start:stop] = anchors[hold]
        return shown

    @staticmethod
    def _hold_begins(last: int, holds: np.ndarray) -> np.ndarray:
        """The steps, counted from the first anchor, at which holds begin, up to `last`."""
        lengths = np.resize(holds, last + 2)
        begins = np.concatenate([[0], np.cumsum(lengths)])
        return begins[begins <= last]
