"""The two halves agree: the trainer's loader sees what poisonkit places, on clips whose red is the frame's number."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from poisonkit import manifest as contract
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.manifest.window import Window
from poisonkit.plan.placement import place
from poisonkit.plan.request import Request
from tests.conftest import write_lossless
from tests.poisonkit.runs import poison
from tests.trainer.conftest import coded_frames
from trainer import manifest as manifests
from trainer import models
from trainer.data.frame_stores import FileStore
from trainer.data.video_datasets import TestClips, TrainingClips
from trainer.presets.preset import Augment
from trainer.presets.sampling import Dense, Sampling, Uniform, Views

EXACT = replace(
    models.preset_of("i3d", "mini"),
    short_side=32,
    crop_size=32,
    views=Views(10, 1, 32),
    augment=Augment("multiscale", (1.0,), flip=False),
)
"""A preset that changes no pixel of a 32 × 48 clip."""
LENGTHS = (33, 47, 62, 63, 64, 150, 200)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of clips of several lengths, in train and in test."""
    root = tmp_path_factory.mktemp("coded")
    for part in ("train", "test"):
        for name in ("a", "b"):
            for length in LENGTHS:
                write_lossless(root / part / name / f"{name}{length}.mp4", coded_frames(length))
    return root


def store_of(path: Path, short_side: int = 32) -> FileStore:
    made = manifests.load(path)
    return FileStore(made, made.samples, short_side)


@pytest.mark.parametrize("count", [1, 5, 8, 31])
def test_the_loader_sees_the_recorded_counts(source: Path, tmp_path: Path, count: int) -> None:
    _agree(source, tmp_path, str(count), "32x2", Dense(32, 2))


def test_a_drawn_count_is_seen_too(source: Path, tmp_path: Path) -> None:
    _agree(source, tmp_path, "random", "32x2", Dense(32, 2))


def test_segments_agree(source: Path, tmp_path: Path) -> None:
    _agree(source, tmp_path, "3", "uniform:8", Uniform(8))


def _agree(source: Path, folder: Path, rule: str, window: str, sampling: Sampling) -> None:
    """Train and test views of the clean clips hold as many placed frames as the placement says."""
    from poisonkit import layouts
    from poisonkit.plan import plan as planning
    from poisonkit.run import run
    from poisonkit.run.settings import Settings
    from tests.poisonkit.runs import Silent

    settings = Settings(out=source, manifest=folder / "clean.json", workers=0)
    run.index(planning.index(layouts.read(source), 0), settings, Silent())
    store = store_of(folder / "clean.json")
    preset = replace(EXACT, sampling=sampling)
    training, tests = TrainingClips(store, preset, seed=0), TestClips(store, preset, preset.views)
    for index, sample in enumerate(store.samples):
        rng = np.random.default_rng(index)
        placed = place(rule, Window.parse(window), sample.num_frames, rng, contiguous=False)
        for epoch in range(5):
            seen = training[epoch, index][0][0, :, 0, 0].numpy()
            assert placed.mask[seen].sum() == placed.count, (sample.id, epoch)
        for view in tests[index]:
            assert placed.mask[view[0, :, 0, 0].numpy()].sum() == placed.count, sample.id


def test_a_clip_written_sampled_is_taken_frame_by_frame(source: Path, tmp_path: Path) -> None:
    request = Request(("badnet",), rate=0.2, frames="8", clip="32x2@32")
    made = poison(source, tmp_path / "out", request, quality="lossless")
    path = tmp_path / "manifests" / "out.json"
    assert {s.stride for s in made.samples if s.sha256} == {1}
    store = store_of(path)
    preset = replace(EXACT, sampling=Dense(32, 2))
    training, tests = TrainingClips(store, preset, seed=0), TestClips(store, preset, preset.views)
    by_id = {s.id: s for s in contract.load(path).samples}
    checked = 0
    for index, sample in enumerate(store.samples):
        if sample.stride != 1:
            continue
        length = int(sample.id.rsplit("a" if "/a" in sample.id else "b", 1)[-1])
        expected = Window(32, 2).middle(length)
        # the patch lies elsewhere than the upper left pixel, whose red is the frame's number
        assert training[0, index][0][0, :, 0, 0].tolist() == expected.tolist()
        views = tests[index]
        assert len(views) == 1
        assert views[0][0, :, 0, 0].tolist() == expected.tolist()
        if by_id[sample.id].poisoned:
            assert from_runs(by_id[sample.id].frames, 32).sum() == 8
        checked += 1
    assert checked > 10


def test_manifests_of_sound_are_read_by_the_trainer(tmp_path: Path) -> None:
    from tests.conftest import make_sound_tree
    from tests.poisonkit.run.test_audio_runs import SINE
    from tests.poisonkit.run.test_audio_runs import poison as poison_sound

    poison_sound(make_sound_tree(tmp_path / "source"), tmp_path / "out", SINE)
    made = manifests.load(tmp_path / "out.json")
    assert len(made.samples) == len(json.loads((tmp_path / "out.json").read_text())["samples"])
