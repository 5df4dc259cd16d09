"""Index-coded lossless clips: the loader returns exactly the frames asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import write_lossless
from tests.trainer.conftest import coded_frames, sample
from trainer import manifest as manifests
from trainer import models
from trainer.data import decode
from trainer.data.frame_stores import FileStore, RamStore, bytes_of_frames
from trainer.data.loader import EpochBatches, TrainingLoader, read_views
from trainer.data.video_datasets import TestClips, TrainingClips, augment
from trainer.errors import ClipError
from trainer.presets.preset import Augment
from trainer.presets.sampling import Dense, Views

EXACT = replace(
    models.preset_of("i3d", "mini"),
    sampling=Dense(4, 3),
    short_side=32,
    crop_size=32,
    views=Views(3, 3, 32),
    augment=Augment("multiscale", (1.0,), flip=False),
)
"""A preset that changes no pixel of a 32 x 48 clip."""


@pytest.fixture
def store(write_manifest: Callable[..., Path], tmp_path: Path) -> FileStore:
    frames = coded_frames(20)
    for name in "abc":
        write_lossless(tmp_path / "data" / f"{name}.mp4", frames[:6] if name == "b" else frames)
    manifest = manifests.load(write_manifest([sample("a"), sample("b", label=1, num_frames=6), sample("c", stride=1)]))
    return FileStore(manifest, manifest.samples, 32)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".mkv"])
def test_decoded_frames_are_the_written_ones(tmp_path: Path, suffix: str) -> None:
    frames = coded_frames(9)
    path = write_lossless(tmp_path / f"clip{suffix}", frames)
    assert np.array_equal(decode.decode(path, 9, 32), frames)
    picked = decode.decode(path, 9, 32, np.array([7, 2, 2, 0]))
    assert np.array_equal(picked, frames[[7, 2, 2, 0]])


def test_decoding_scales_to_the_short_side(tmp_path: Path) -> None:
    frames = np.full((3, 64, 96, 3), 50, np.uint8)
    frames[:, :, 48:] = 150
    small = decode.decode(write_lossless(tmp_path / "clip.mp4", frames), 3, 32)
    assert small.shape == (3, 32, 48, 3)
    assert set(np.unique(small[:, :, :23])) == {50}
    assert set(np.unique(small[:, :, 25:])) == {150}


def test_training_pictures_are_exactly_the_drawn_frames(store: FileStore) -> None:
    clips = TrainingClips(store, EXACT, seed=3)
    starts = set()
    for epoch in range(30):
        clip, label = clips[epoch, 0]
        indices = clip[0, :, 0, 0].tolist()
        assert label == 0
        assert indices == list(range(indices[0], indices[0] + 12, 3))
        left = int(clip[2, 0, 0, 0])
        expected = coded_frames(20)[indices, :, left : left + 32].transpose(3, 0, 1, 2)
        assert np.array_equal(clip.numpy(), expected)
        starts.add((indices[0], left))
    assert len(starts) > 15


def test_short_clips_loop_and_sampled_clips_keep_their_stride(store: FileStore) -> None:
    clips = TrainingClips(store, EXACT, seed=0)
    assert clips[0, 1][0][0, :, 0, 0].tolist() == [0, 3, 0, 3]
    assert clips[0, 1][1] == 1
    indices = clips[0, 2][0][0, :, 0, 0].tolist()
    assert indices == list(range(indices[0], indices[0] + 4))


def test_test_views_are_windows_times_crops(store: FileStore) -> None:
    views = TestClips(store, EXACT, EXACT.views)[0]
    assert views.shape == (9, 3, 4, 32, 32)
    firsts = [(int(view[0, 0, 0, 0]), int(view[2, 0, 0, 0])) for view in views]
    assert firsts == [(start, left) for start in (0, 5, 10) for left in (0, 8, 16)]
    start, left = firsts[4]
    expected = coded_frames(20)[start : start + 10 : 3, :, left : left + 32].transpose(3, 0, 1, 2)
    assert np.array_equal(views[4].numpy(), expected)


def test_memory_and_file_give_the_same(store: FileStore) -> None:
    ram = RamStore(store)
    for index in range(3):
        a, b = TrainingClips(store, EXACT, 1)[5, index], TrainingClips(ram, EXACT, 1)[5, index]
        assert torch.equal(a[0], b[0])
    assert bytes_of_frames(store.samples, 32) == sum(clip.nbytes for clip in ram.clips)


def test_pictures_are_a_function_of_seed_epoch_and_clip(store: FileStore) -> None:
    preset = replace(EXACT, augment=models.preset_of("i3d", "mini").augment)
    one, two = TrainingClips(store, preset, 0), TrainingClips(store, preset, 0)
    two[9, 0]
    assert torch.equal(one[4, 0][0], two[4, 0][0])
    assert not torch.equal(one[4, 0][0], one[5, 0][0])
    assert not torch.equal(one[4, 0][0], TrainingClips(store, preset, 1)[4, 0][0])


def test_jitter_changes_all_frames_alike() -> None:
    frames = np.full((3, 40, 40, 3), 100, np.uint8)
    how = Augment("resized", (0.5, 1.0), 1.2, jitter=0.3)
    values = {int(augment(frames, how, 32, np.random.default_rng(k)).unique()) for k in range(50)}
    # (100 - 128) * (1 ± 0.3) + 128 ± 38.4
    assert min(values) >= 128 - 28 * 1.3 - 38.4 - 1
    assert max(values) <= 128 - 28 * 0.7 + 38.4 + 1
    assert len(values) > 20


@pytest.mark.parametrize("workers", [0, 1])
def test_a_wrong_frame_count_is_named(store: FileStore, workers: int) -> None:
    store.samples[1].num_frames = 7
    loader = TrainingLoader(TrainingClips(store, EXACT, 0), EpochBatches(3, 3, 0), workers)
    with pytest.raises(ClipError, match=r"^\S*b\.mp4 holds 6 frames, its manifest says 7; write the manifest again$"):
        list(loader)
    with pytest.raises(ClipError, match=r"b.mp4 holds 6 frames"):
        list(read_views(TestClips(store, EXACT, EXACT.views), workers))


@pytest.mark.parametrize("content", [b"", b"no film", None])
def test_a_broken_clip_is_named(store: FileStore, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "data" / "a.mp4"
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content)
    with pytest.raises(ClipError, match=r"cannot decode .*a.mp4") as caught:
        RamStore(store)
    assert "\n" not in str(caught.value)


def test_clips_without_frames_are_named(store: FileStore) -> None:
    store.samples[0].num_frames = 0
    with pytest.raises(ClipError, match="'a' has no frames"):
        RamStore(store)


@given(
    st.integers(1, 60), st.integers(1, 20), st.integers(1, 4), st.integers(1, 4), st.integers(0, 9), st.integers(0, 5)
)
def test_batches_deal_out_every_clip(
    samples: int, size: int, ranks: int, accumulate: int, seed: int, epoch: int
) -> None:
    dealt = []
    lengths = set()
    for rank in range(ranks):
        batches = EpochBatches(samples, size, seed, rank, ranks, accumulate)
        batches.set_epoch(epoch)
        listed = list(batches)
        assert len(listed) == len(batches)
        assert all(1 <= len(batch) <= -(-size // ranks) for batch in listed)
        assert len(batches) == batches.steps * batches.accumulate
        assert batches.steps == min(-(-samples // size), -(-samples // ranks))
        steps = [sum(map(len, listed[k : k + batches.accumulate])) for k in range(0, len(listed), batches.accumulate)]
        assert max(steps) - min(steps) <= 1
        lengths.add(tuple(len(batch) for batch in listed))
        dealt += [index for batch in listed for _, index in batch]
    assert len(lengths) == 1
    assert set(dealt) == set(range(samples))
    assert len(dealt) - samples < ranks


def test_going_on_within_an_epoch() -> None:
    batches = EpochBatches(30, 8, 0)
    whole = list(batches)
    batches.start_at(2)
    assert list(batches) == whole[2:]
    assert list(batches) == whole


def test_order_is_a_function_of_seed_and_epoch() -> None:
    def order(seed: int, epoch: int) -> list[int]:
        batches = EpochBatches(30, 8, seed)
        batches.set_epoch(epoch)
        return [index for batch in batches for _, index in batch]

    assert order(0, 1) == order(0, 1)
    assert order(0, 1) != order(0, 2)
    assert order(0, 1) != order(1, 1)
    assert [len(batch) for batch in EpochBatches(83, 16, 0)] == [14, 14, 14, 14, 14, 13]
