"""Windows against brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import TrainerError
from trainer.presets.sampling import Dense, Uniform, Views, parse_views


def legal_windows(length: int, stride: int, num_frames: int) -> set[tuple[int, ...]]:
    """The contract, written out: every start that fits, or the one looped window."""
    span = (length - 1) * stride + 1
    if num_frames < span:
        return {tuple((k * stride) % num_frames for k in range(length))}
    return {tuple(s + k * stride for k in range(length)) for s in range(num_frames - span + 1)}


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 80), st.integers(0, 2**32))
def test_training_windows_are_the_legal_ones(length: int, stride: int, num_frames: int, seed: int) -> None:
    window = Dense(length, stride).train(num_frames, None, np.random.default_rng(seed))
    assert tuple(window.tolist()) in legal_windows(length, stride, num_frames)


def test_every_legal_window_is_drawn() -> None:
    rng = np.random.default_rng(0)
    drawn = {tuple(Dense(4, 3).train(17, None, rng).tolist()) for _ in range(500)}
    assert drawn == legal_windows(4, 3, 17)
    assert len(drawn) == 8


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 80), st.integers(1, 12))
def test_test_windows_are_legal_and_reach_both_ends(length: int, stride: int, num_frames: int, count: int) -> None:
    legal = legal_windows(length, stride, num_frames)
    windows = [tuple(w.tolist()) for w in Dense(length, stride).test(num_frames, None, count)]
    assert set(windows) <= legal
    assert len(set(windows)) == len(windows) <= count
    if count > 1:
        assert windows[0] == min(legal)
        assert windows[-1] == max(legal)
    if count >= len(legal):
        assert set(windows) == legal or count == 1


def test_ten_windows_of_mmaction2() -> None:
    # round(arange(10) * (100 - 63) / 9), by hand
    starts = [int(window[0]) for window in Dense(32, 2).test(100, None, 10)]
    assert starts == [0, 4, 8, 12, 16, 21, 25, 29, 33, 37]


def test_single_window_lies_in_the_middle() -> None:
    (window,) = Dense(32, 2).test(100, None, 1)
    assert window[0] == 18
    assert window[-1] == 80


def test_short_clip_loops() -> None:
    rng = np.random.default_rng(0)
    assert Dense(8, 2).train(5, None, rng).tolist() == [0, 2, 4, 1, 3, 0, 2, 4]
    assert [w.tolist() for w in Dense(8, 2).test(5, None, 10)] == [[0, 2, 4, 1, 3, 0, 2, 4]]


def test_stride_of_the_clip_replaces_the_models() -> None:
    assert Dense(8, 2).train(8, 1, np.random.default_rng(0)).tolist() == list(range(8))
    assert [w.tolist() for w in Dense(8, 2).test(8, 1, 10)] == [list(range(8))]


def test_uniform_takes_segment_centres() -> None:
    assert [w.tolist() for w in Uniform(8).test(80, None, 1)] == [[5, 15, 25, 35, 45, 55, 65, 75]]


@given(st.integers(1, 16), st.integers(1, 100), st.integers(0, 2**32))
def test_uniform_takes_one_frame_of_each_segment(frames: int, num_frames: int, seed: int) -> None:
    window = Uniform(frames).train(num_frames, None, np.random.default_rng(seed))
    for k, index in enumerate(window.tolist()):
        assert int(k * num_frames / frames) <= index <= min((k + 1) * num_frames / frames, num_frames - 1)


def test_uniform_windows_move_through_the_segments() -> None:
    assert [w.tolist() for w in Uniform(2).test(8, None, 2)] == [[1, 5], [3, 7]]


def test_views() -> None:
    assert parse_views("10x3", Views(1, 1, 256)) == Views(10, 3, 256)
    assert parse_views("4x1@96", Views(1, 1, 256, 300)) == Views(4, 1, 96)
    assert str(Views(10, 3, 256)) == "10x3@256"


def test_a_view_may_lie_in_a_larger_frame() -> None:
    lite = Views(1, 1, 80, 96)
    assert str(lite) == "1x1@96/80"
    assert lite.short_side == 96
    assert parse_views("1x1@96/80", Views(1, 1, 256)) == lite
    assert parse_views("4x1", lite) == Views(4, 1, 80, 96)
    assert (Views(1, 10, 224).short_side, Views(1, 3, 224).short_side) == (256, 224)


@pytest.mark.parametrize(
    "text", ["", "10", "0x3", "10x2", "10x3@8", "ax3", "10x3@", "-1x3", "1x1@64/80", "1x1@96/", "1x1@/80"]
)
def test_bad_views_are_refused(text: str) -> None:
    with pytest.raises(TrainerError, match="try 10x3"):
        parse_views(text, Views(1, 1, 256))
