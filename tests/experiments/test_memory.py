"""The trigger in memory: on the clips that are poisoned, on every frame, and drawn again where it is dynamic."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from poisonkit import triggers
from poisonkit.triggers._base import Mode
from poisonkit.triggers._pixels import PixelTrigger
from trainer.manifest import Sample

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
import memory

SAMPLES = [Sample(name, f"{name}.mp4", "train", 0, 0, 6) for name in ("clean", "poisoned")]


class Grey:
    """Six grey frames of every clip."""

    samples = SAMPLES

    def frames(self, index: int, indices: np.ndarray) -> np.ndarray:
        return np.full((len(indices), 48, 64, 3), 128, np.uint8)


def store(mode: Mode) -> memory.InMemory:
    trigger = triggers.find_video("badnet").build(mode, {})
    assert isinstance(trigger, PixelTrigger)
    return memory.InMemory(Grey(), {"poisoned"}, trigger, seed=0)


def test_only_poisoned_clips_change_on_all_frames() -> None:
    made = store("static")
    assert (made.frames(0, np.arange(4)) == 128).all()
    changed = made.frames(1, np.arange(4)) != 128
    assert changed.any(axis=(1, 2, 3)).all()
    assert 0 < changed.mean() < 0.2  # a patch


@pytest.mark.parametrize(("mode", "same"), [("static", True), ("dynamic", False)])
def test_dynamic_triggers_are_drawn_at_each_reading(mode: Mode, same: bool) -> None:
    made = store(mode)
    first, second = made.frames(1, np.arange(4)), made.frames(1, np.arange(4))
    assert np.array_equal(first, second) is same
