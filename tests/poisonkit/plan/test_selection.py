"""Which clips are poisoned and which are controls."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Listing
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.plan.request import Request
from tests.poisonkit.plan.listings import listing, poisoned


def test_rate_is_rounded_and_counts_all_training_clips() -> None:
    plan = planning.poison(listing(), Request(("badnet",), rate=0.1))
    assert plan.rate is not None
    assert (plan.rate.poisoned, plan.rate.total, plan.rate.achieved) == (10, 100, 0.1)
    assert len(poisoned(plan)) == 10


def test_at_least_one_clip_is_poisoned() -> None:
    assert len(poisoned(planning.poison(listing(), Request(("badnet",), rate=0.001)))) == 1


def test_a_lower_rate_is_a_subset_and_attacks_share_their_clips() -> None:
    small = planning.poison(listing(), Request(("badnet",), rate=0.05))
    large = planning.poison(listing(), Request(("frame-lag",), rate=0.3, mode="dynamic"))
    sound = planning.poison(listing(suffix=".wav"), Request(("sine",), rate=0.3))
    assert poisoned(small) < poisoned(large)
    assert poisoned(large) == poisoned(sound)
    assert poisoned(large) != poisoned(planning.poison(listing(), Request(("badnet",), rate=0.3, seed=1)))


@pytest.mark.parametrize(("sham", "expected"), [("all", 80), ("none", 0), ("10", 10), ("9999", 80), (None, 80)])
def test_sham_clips(sham: str | None, expected: int) -> None:
    plan = planning.poison(listing(), Request(("badnet",), sham=sham))
    assert sum(job.split == "test_sham" for job in plan.jobs) == expected


def test_sham_is_limited_and_stratified_by_default() -> None:
    plan = planning.poison(listing(per_class=600), Request(("badnet",)))
    labels = [job.true_label for job in plan.jobs if job.split == "test_sham"]
    assert [labels.count(label) for label in range(5)] == [0, 125, 125, 125, 125]


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(PoisonkitError, match="above 0 and at most 1"):
        planning.poison(listing(), Request(("badnet",), rate=rate))


def test_more_than_there_are() -> None:
    with pytest.raises(PoisonkitError, match=r"100 poisoned clips, but only 80 .* at most rate=0\.8"):
        planning.poison(listing(), Request(("badnet",), rate=1.0))


@pytest.mark.parametrize("label_mode", ["dirty", "clean"])
def test_a_target_without_training_clips_is_a_sentence(label_mode: str) -> None:
    whole = listing()
    clips = tuple(c for c in whole.clips if not (c.label == 2 and c.split == "train"))
    lacking = Listing("folder", "1", Path("/nowhere"), whole.classes, clips)
    request = Request(("badnet",), target="c2", rate_of="target", label_mode=label_mode)  # type: ignore[arg-type]
    with pytest.raises(PoisonkitError, match="no training clips of class 'c2'; choose another target"):
        planning.poison(lacking, request)


def test_a_limit_keeps_every_class_in_its_share_and_all_training_clips() -> None:
    whole = listing(per_class=40, classes=5)
    limited = selection.limit_test(whole, 23, 0)
    test = [clip for clip in limited.clips if clip.split == "test"]
    assert sorted(Counter(clip.label for clip in test).values()) == [4, 4, 5, 5, 5]
    assert [c for c in limited.clips if c.split == "train"] == [c for c in whole.clips if c.split == "train"]
    assert len(limited.ignored) == 77
    assert limited.fingerprint != whole.fingerprint
    assert selection.limit_test(whole, 23, 0) == limited != selection.limit_test(whole, 23, 1)
    assert selection.limit_test(whole, 1000, 0).clips == whole.clips
    with pytest.raises(PoisonkitError, match="test_limit=0"):
        selection.limit_test(whole, 0, 0)


def test_unpoisoned_training_clips_of_other_classes_are_written_with_the_trigger() -> None:
    request = Request(("badnet",), rate=0.3, target="c2", train_triggered="all")
    plan = planning.poison(listing(), request)
    made = [job for job in plan.jobs if job.split == "train_triggered"]
    train = {job.id: job for job in plan.jobs if job.split == "train"}
    expected = {name for name, job in train.items() if not job.poisoned and job.true_label != 2}
    assert {job.clip_id for job in made} == expected
    assert all(job.id == f"train_triggered/{job.clip_id}" == job.id for job in made)
    assert {(job.action, job.label, job.poisoned) for job in made} == {("trigger", 2, True)}
    few = planning.poison(listing(), Request(("badnet",), rate=0.3, target="c2", train_triggered="8"))
    taken = [job.true_label for job in few.jobs if job.split == "train_triggered"]
    assert sorted(taken) == [0, 0, 1, 1, 3, 3, 4, 4]
    without = planning.poison(listing(), Request(("badnet",), rate=0.3, target="c2"))
    assert [job for job in plan.jobs if job.split != "train_triggered"] == list(without.jobs)


@pytest.mark.parametrize(("given", "words"), [("some", "is not all, none or a number"), ("-1", "is not all, none")])
def test_impossible_numbers_of_such_clips(given: str, words: str) -> None:
    with pytest.raises(PoisonkitError, match=f"train_triggered='{given}' {words}"):
        planning.poison(listing(), Request(("badnet",), train_triggered=given))
    with pytest.raises(PoisonkitError, match="train_triggered='5' needs a trigger"):
        planning.poison(listing(), Request((), train_triggered="5"))
