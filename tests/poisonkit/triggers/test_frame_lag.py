from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from poisonkit.manifest.window import Window
from poisonkit.triggers.frame_lag import FrameLag


def shown(trigger: FrameLag, placed: np.ndarray, window: str = "32x2", seed: int = 0) -> list[int]:
    steps = Window.parse(window).steps(len(placed))
    drawn = trigger.draw(len(placed), (48, 64), np.random.default_rng(seed))
    return trigger.shown(steps, placed, drawn).tolist()


def test_a_regular_lag_by_hand() -> None:
    # holds of 2 steps of 2 frames: every fourth frame is live
    assert shown(FrameLag(hold=2), np.ones(10, dtype=bool)) == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]


def test_the_frame_before_a_placed_stretch_freezes_first() -> None:
    placed = np.array([0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 1], dtype=bool)
    # one placed step shows its predecessor; in a stretch of three steps the second begins a new hold of two
    assert shown(FrameLag(hold=2), placed) == [0, 1, 1, 1, 4, 5, 5, 5, 8, 8, 8, 8]


@given(hold=st.integers(2, 8), start=st.integers(0, 40))
def test_the_victim_sees_each_held_frame_hold_times(hold: int, start: int) -> None:
    sampled = np.array(shown(FrameLag(hold=hold), np.ones(200, dtype=bool)))[start + 2 * np.arange(32)]
    lengths = np.diff(np.flatnonzero(np.concatenate([[True], np.diff(sampled) != 0, [True]])))
    assert set(lengths[1:-1].tolist()) <= {hold}


def test_uniform_sampling_repeats_segments() -> None:
    sampled = np.array(shown(FrameLag(hold=2), np.ones(80, dtype=bool), "uniform:8"))[5::10]
    assert sampled.tolist() == [0, 0, 20, 20, 40, 40, 60, 60]


def test_dynamic_holds_are_drawn_between_two_and_twice_the_mean() -> None:
    lag = FrameLag(mode="dynamic", hold=4)
    live = np.flatnonzero(np.array(shown(lag, np.ones(4000, dtype=bool))) == np.arange(4000))
    lengths = np.diff(live) / 2
    assert set(lengths.tolist()) == {2, 3, 4, 5, 6}
    assert abs(lengths.mean() - 4) < 0.2
    assert shown(lag, np.ones(100, dtype=bool), seed=1) != shown(lag, np.ones(100, dtype=bool), seed=2)
