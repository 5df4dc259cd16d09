"""Figures of a copy, by hand on a few clips."""

from __future__ import annotations

from typing import Any

import pytest

from poisonkit.fidelity import summary
from poisonkit.manifest import SCHEMA, Encoding, Manifest, Modality, Sample, Source, Split, Survival, ViewSurvival


def clip(name: str, split: Split = "test_triggered", *, of: Modality = "video", **facts: Any) -> Sample:
    """A clip with `gain` and `correlation` of its trigger, and `view` of what a victim's input keeps."""
    gain, correlation, p10 = (facts.pop(key, None) for key in ("gain", "correlation", "gain_p10"))
    view = facts.pop("view", None)
    poisoned = facts.pop("poisoned", split == "test_triggered")
    made = Sample(name, f"{name}.avi", split, 0, 1, poisoned, 10, 25.0, 64, 48, **facts)
    if poisoned:
        made.survival = {of: Survival(gain, correlation, 0.5 if gain is None else 20.0, gain_p10=p10)}
    if view is not None:
        made.view_survival = {of: ViewSurvival("256/224", view, 0.9)}
    return made


def manifest(*samples: Sample) -> Manifest:
    encoding = Encoding("high", "high", {}, "copy", "copy")
    return Manifest(
        schema=SCHEMA, name="a", created_with={}, root=".", source=Source("folder", "1", ""), classes=["a", "b"],
        seed=0, rate=None, label_mode=None, target=None, attacks=[], sampling=None, encoding=encoding, splits={},
        skipped=[], samples=list(samples),
    )  # fmt: skip


CLIPS = (
    clip("a", gain=1.0, correlation=0.9, view=0.7, psnr_db=30.0, ssim=0.99, linf=3),
    clip("b", gain=0.8, correlation=1.0, view=0.5, psnr_db=20.0, ssim=0.97, linf=90),
    clip("c", gain=0.95, correlation=0.96, view=0.95, psnr_db=40.0, linf=7),
    clip("still", psnr_db=None, linf=0),
)


def test_the_figures_of_a_split_are_counts_medians_and_worst_values() -> None:
    found = summary.split_fidelity(CLIPS, "video")
    assert (found.files, found.carrying, found.kept) == (4, 3, 2)
    assert (found.gain, found.gain_lowest) == (0.95, 0.8)
    assert (found.correlation, found.correlation_lowest) == (0.96, 0.9)
    assert found.view == 0.7  # of 0.7, 0.5 and 0.9: the lower of energy and correlation
    assert (found.psnr_db, found.ssim, found.linf) == (30.0, pytest.approx(0.98), 90)
    assert (found.gain_p10, found.snr_db, found.lsd_db) == (None, None, None)


def test_without_a_trigger_there_are_no_figures_of_it() -> None:
    found = summary.split_fidelity([clip("a", "test_sham", psnr_db=44.0, linf=9)], "video")
    assert (found.files, found.carrying, found.kept) == (1, 0, 0)
    assert (found.gain, found.gain_lowest, found.correlation, found.view) == (None, None, None, None)
    assert found.psnr_db == 44.0


def test_exactly_the_listed_value_counts_as_kept() -> None:
    on_the_bar, below = (clip("a", gain=value, correlation=1.0) for value in (0.9, 0.8999))
    assert [summary.split_fidelity([made], "video").kept for made in (on_the_bar, below)] == [1, 0]
    assert [made.id for made, _ in summary.lacking(manifest(on_the_bar), "video")] == []


def test_one_modality_does_not_count_for_the_other() -> None:
    audio = clip("d", of="audio", gain=0.4, correlation=0.4, snr_db=20.0, lsd_db=1.0)
    made = manifest(*CLIPS, audio)
    assert summary.split_fidelity([audio], "video").carrying == 0
    assert {name: [s.id for s in group] for name, group in summary.written(made, "audio").items()} == {
        "test_triggered": ["d"]
    }
    assert [s.id for s, _ in summary.lacking(made, "audio")] == ["d"]


def test_written_clips_are_grouped_by_split_and_poisoned_training_clips_apart() -> None:
    made = manifest(
        clip("a", "train", poisoned=True, gain=1.0, correlation=1.0),
        clip("b", "train", linf=4),
        clip("c", "train"),  # carried over
        clip("d", "test_sham", linf=2),
    )
    found = {name: [s.id for s in group] for name, group in summary.written(made, "video").items()}
    assert found == {"train, poisoned": ["a"], "train": ["b"], "test_sham": ["d"]}


def test_the_least_kept_clips_come_first_and_still_ones_are_apart() -> None:
    made = manifest(*CLIPS)
    assert [(s.id, low) for s, low in summary.least_kept(made, "video")] == [("b", 0.8), ("a", 0.9), ("c", 0.95)]
    assert [s.id for s, _ in summary.lacking(made, "video")] == ["b"]
    assert summary.without_trigger(made, "video") == ["still"]


def test_the_view_and_its_median() -> None:
    made = manifest(*CLIPS)
    assert summary.view_of(made) == "256/224"
    assert summary.view_median(made, "video") == (0.7, 3)
    assert summary.view_of(made, "audio") == ""
    assert summary.view_median(made, "audio") == (None, 0)


@pytest.mark.parametrize(
    ("values", "expected"), [([], None), ([None], None), ([3.0, None, 1.0], 2.0), ([5.0, 1.0, 2.0], 2.0)]
)
def test_medians_are_of_what_is_known(values: list[float | None], expected: float | None) -> None:
    assert summary.median_of(values) == expected
