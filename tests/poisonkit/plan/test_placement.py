from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poisonkit.errors import PoisonkitError
from poisonkit.manifest.frame_runs import from_runs, to_runs
from poisonkit.manifest.window import Window
from poisonkit.plan.placement import check_rule, place


def counts_in_all_windows(mask: np.ndarray, length: int, stride: int) -> set[int]:
    """Brute force: the poisoned frames of every dense window, wherever it starts; short clips loop."""
    total = len(mask)
    if total < (length - 1) * stride + 1:
        return {sum(bool(mask[k * stride % total]) for k in range(length))}
    starts = range(total - (length - 1) * stride)
    return {sum(bool(mask[s + k * stride]) for k in range(length)) for s in starts}


@given(
    num_frames=st.integers(63, 400),
    count=st.integers(1, 32),
    contiguous=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=150, deadline=None)
def test_every_dense_window_holds_exactly_n(num_frames: int, count: int, contiguous: bool, seed: int) -> None:
    window = Window.parse("32x2")
    placed = place(str(count), window, num_frames, np.random.default_rng(seed), contiguous=contiguous)
    assert counts_in_all_windows(placed.mask, 32, 2) == {count}
    assert placed.count == count


@given(
    num_frames=st.integers(1, 62),
    count=st.integers(1, 32),
    contiguous=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=200, deadline=None)
def test_short_clips_record_what_their_looped_window_holds(
    num_frames: int, count: int, contiguous: bool, seed: int
) -> None:
    placed = place(str(count), Window.parse("32x2"), num_frames, np.random.default_rng(seed), contiguous=contiguous)
    assert counts_in_all_windows(placed.mask, 32, 2) == {placed.count}
    assert placed.count >= 1
    if not contiguous:
        # every sum of multiplicities can be reached up to the largest multiplicity minus one, on either side
        visits = np.bincount(2 * np.arange(32) % num_frames, minlength=num_frames)
        assert abs(placed.count - count) < visits.max()


def test_a_short_clip_gets_exactly_n_where_each_frame_is_seen_once() -> None:
    # 33 frames at stride 2: 0, 2, …, 32, 1, 3, …, 29: 32 different frames
    for count in range(1, 33):
        assert (
            place(str(count), Window.parse("32x2"), 33, np.random.default_rng(count), contiguous=False).count == count
        )


@given(num_frames=st.integers(8, 300), count=st.integers(1, 8), seed=st.integers(0, 1000))
@settings(max_examples=100, deadline=None)
def test_uniform_sampling_holds_n_whatever_frame_of_a_segment_is_taken(num_frames: int, count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    placed = place(str(count), Window.parse("uniform:8"), num_frames, rng, contiguous=False)
    edges = np.arange(9) * num_frames // 8
    inside = [placed.mask[a:b] for a, b in itertools.pairwise(edges)]
    assert all(part.all() or not part.any() for part in inside)
    assert sum(bool(part.any()) for part in inside) == count


def test_random_draws_a_count_per_clip() -> None:
    window = Window.parse("32x2")
    counts = {place("random", window, 100, np.random.default_rng(s), contiguous=False).count for s in range(200)}
    assert min(counts) >= 1
    assert max(counts) <= 32
    assert len(counts) > 25


def test_contiguous_steps_stay_together() -> None:
    mask = place("8", Window.parse("32x2"), 128, np.random.default_rng(3), contiguous=True).mask
    stretches = to_runs(mask[np.argmin(mask) :])
    assert all(stop - start <= 16 and step == 1 for start, stop, step in stretches)


@given(st.lists(st.booleans(), max_size=200))
def test_runs_round_trip(bits: list[bool]) -> None:
    mask = np.array(bits, dtype=bool)
    assert from_runs(to_runs(mask), len(mask)).tolist() == mask.tolist()


def test_a_periodic_mask_needs_few_runs() -> None:
    mask = place("4", Window.parse("32x2"), 6400, np.random.default_rng(0), contiguous=False).mask
    assert len(to_runs(mask)) <= 8


@pytest.mark.parametrize("text", ["32", "x2", "0x2", "32x0", "uniform:0", "uniform", "99999x1", "32x-2", ""])
def test_windows_that_are_none(text: str) -> None:
    with pytest.raises(PoisonkitError, match="32x2"):
        Window.parse(text)


@pytest.mark.parametrize("frames", ["0", "33", "-1", "some", "1.5", "²"])
def test_rules_that_no_window_holds(frames: str) -> None:
    with pytest.raises(PoisonkitError, match="1 … 32"):
        check_rule(frames, Window.parse("32x2"))


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("count", range(1, 33))
def test_every_window_of_every_long_clip_holds_exactly_n(count: int, contiguous: bool) -> None:
    """All lengths from 63 to 400 frames, all starts."""
    window = Window.parse("32x2")
    for num_frames in range(63, 401):
        rng = np.random.default_rng(1000 * count + num_frames)
        placed = place(str(count), window, num_frames, rng, contiguous=contiguous)
        frames = np.arange(num_frames - 62)[:, None] + 2 * np.arange(32)
        assert (placed.mask[frames].sum(axis=1) == count).all(), num_frames
        assert placed.count == count


@pytest.mark.parametrize("contiguous", [False, True])
@pytest.mark.parametrize("num_frames", range(1, 63))
def test_the_count_of_every_short_clip_is_that_of_its_looped_window(num_frames: int, contiguous: bool) -> None:
    window = Window.parse("32x2")
    for count in range(1, 33):
        rng = np.random.default_rng(1000 * count + num_frames)
        placed = place(str(count), window, num_frames, rng, contiguous=contiguous)
        assert {placed.count} == counts_in_all_windows(placed.mask, 32, 2)
        assert placed.count >= 1
        if num_frames % 2 and num_frames > 31 and not contiguous:  # each frame is seen at most once
            assert placed.count == count


@pytest.mark.parametrize("count", range(1, 9))
def test_every_uniform_clip_holds_n_whatever_is_taken(count: int) -> None:
    window = Window.parse("uniform:8")
    for num_frames in range(8, 200):
        placed = place(str(count), window, num_frames, np.random.default_rng(num_frames), contiguous=False)
        for within in (0.0, 0.3, 0.5, 0.99):
            assert placed.mask[window.segments(num_frames, within)].sum() == count == placed.count
