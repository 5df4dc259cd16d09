"""Purification: each method by hand, in step with the clip, and in the victim's reading path."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import moving_frames
from trainer.data.frame_stores import ChangedStore
from trainer.defenses import _case, _recoding, purify
from trainer.defenses.purify import Purify
from trainer.errors import TrainerError
from trainer.progress import Progress
from trainer.runs import folder as runs


def test_every_third_frame_is_held() -> None:
    frames = np.arange(8, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    assert purify.held(frames, 3)[:, 0, 0, 0].tolist() == [0, 0, 0, 3, 3, 3, 6, 6]


def test_blur_keeps_the_sum_and_spreads_a_point() -> None:
    frames = np.zeros((2, 31, 31, 3), np.uint8)
    frames[:, 15, 15] = 250
    blurred = purify.blurred(frames, 1.0)
    assert blurred.shape == frames.shape
    assert abs(int(blurred[0, 15, 15, 0]) - 250 / (2 * np.pi)) < 2.5  # the Gaussian's height
    assert abs(int(blurred[0, :, :, 0].sum()) - 250) < 25


def test_pictures_of_odd_size_come_back_in_step_and_worse_with_the_rate_factor() -> None:
    frames = moving_frames(12, 39, 53)
    errors = []
    for crf in (5, 30, 51):
        back = _recoding.video(frames, crf)
        assert back.shape == frames.shape
        off = np.abs(back[:, None].astype(int) - frames[None]).mean(axis=(2, 3, 4))  # each against each
        assert off.argmin(axis=1).tolist() == list(range(12)) or crf == 51
        errors.append(off.diagonal().mean())
    assert errors[0] < 4 < errors[2]
    assert errors == sorted(errors)


def test_sound_comes_back_in_step_and_as_long() -> None:
    rng = np.random.default_rng(0)
    wave = purify.lowpassed(rng.normal(0, 0.1, 16_007).astype(np.float32), 2.0)
    back = _recoding.audio(wave, 64)
    assert back.shape == wave.shape
    assert int(np.correlate(back, wave, "full").argmax()) == len(wave) - 1
    assert np.corrcoef(back, wave)[0, 1] > 0.99


def test_low_pass_by_frequency() -> None:
    time = np.arange(16_000) / 16_000
    low, high = (np.sin(2 * np.pi * f * time).astype(np.float32) for f in (500, 4000))
    left = purify.lowpassed(low + high, 2.0)[1000:-1000]
    assert np.abs(left - low[1000:-1000]).max() < 0.01


def test_a_store_changes_whole_clips_before_frames_are_picked() -> None:
    class Files:
        samples = ()

        def frames(self, index: int, indices: object) -> np.ndarray:
            assert indices is None
            return np.arange(6, dtype=np.uint8)[:, None, None, None]

    store = ChangedStore(Files(), lambda frames: purify.held(frames, 4))  # type: ignore[arg-type]
    assert store.frames(0, np.array([5, 1, 3]))[:, 0, 0, 0].tolist() == [4, 0, 0]


def test_the_first_point_is_the_victim_and_blur_takes_the_patch(backdoored: Path) -> None:
    result = Purify(method="blur", strengths="8", max_clips=100).result(_case.of_run(backdoored), Progress())
    first, second = result.curve
    assert (first.strength, second.strength) == (0, 8)
    own = runs.read_predictions(backdoored / "predictions.csv")
    clean = {clip.id for clip in _case.of_run(backdoored).clean}
    right = [p.prediction == p.true_label for p in own if p.split == "test" and p.id not in clean]
    assert first.cda is not None
    assert (first.cda.value, first.cda.n) == (np.mean(right), len(right))
    assert first.asr is not None
    assert second.asr is not None
    assert second.asr.value < first.asr.value


def test_methods_and_strengths_that_cannot_be_are_refused(backdoored: Path) -> None:
    case = _case.of_run(backdoored)
    for defense, words in (
        (Purify(method="lowpass"), r"purify.method=lowpass is not for video; allowed there: reencode, resample, blur"),
        (Purify(strengths="20,99"), r"purify.strengths=20,99 are not whole numbers of H.264 .* 0 … 51"),
        (Purify(strengths="20,much"), "are not whole numbers"),
        (Purify(method="resample", strengths="1.5"), "are not whole numbers"),
    ):
        with pytest.raises(TrainerError, match=words):
            defense.result(case, Progress())
