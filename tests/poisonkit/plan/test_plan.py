from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Clip, Listing
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.plan.plan import Plan
from poisonkit.plan.request import Request


def listing(per_class: int = 40, classes: int = 5, suffix: str = ".avi") -> Listing:
    clips = [
        Clip(
            f"c{label}/{k:03d}",
            f"c{label}/{k:03d}{suffix}",
            "train" if k < per_class // 2 else "test",
            label,
            1000,
        )
        for label in range(classes)
        for k in range(per_class)
    ]
    return Listing("folder", "1", Path("/nowhere"), tuple(f"c{i}" for i in range(classes)), tuple(clips))


def poisoned(plan: Plan) -> set[str]:
    return {job.clip_id for job in plan.jobs if job.split == "train" and job.poisoned}


def test_rate_is_rounded_and_counts_all_training_clips() -> None:
    plan = planning.poison(listing(), Request(("badnet",), rate=0.1))
    assert plan.rate is not None
    assert (plan.rate.poisoned, plan.rate.total, plan.rate.achieved) == (10, 100, 0.1)
    assert len(poisoned(plan)) == 10


def test_at_least_one_clip_is_poisoned() -> None:
    assert len(poisoned(planning.poison(listing(), Request(("badnet",), rate=0.001)))) == 1


def test_dirty_labels_come_from_other_classes_and_become_the_target() -> None:
    plan = planning.poison(listing(), Request(("badnet",), rate=0.3, target="c2"))
    chosen = [job for job in plan.jobs if job.split == "train" and job.poisoned]
    assert {job.label for job in chosen} == {2}
    assert 2 not in {job.true_label for job in chosen}


def test_clean_labels_come_from_the_target_and_keep_theirs() -> None:
    plan = planning.poison(listing(), Request(("badnet",), rate=0.5, target="c2", label_mode="clean"))
    chosen = [job for job in plan.jobs if job.split == "train" and job.poisoned]
    assert {(job.label, job.true_label) for job in chosen} == {(2, 2)}
    assert plan.rate is not None
    assert (plan.rate.of, plan.rate.poisoned, plan.rate.total) == ("target", 10, 20)


def test_a_lower_rate_is_a_subset_and_attacks_share_their_clips() -> None:
    small = planning.poison(listing(), Request(("badnet",), rate=0.05))
    large = planning.poison(listing(), Request(("frame-lag",), rate=0.3, mode="dynamic"))
    sound = planning.poison(listing(suffix=".wav"), Request(("sine",), rate=0.3))
    assert poisoned(small) < poisoned(large)
    assert poisoned(large) == poisoned(sound)
    assert poisoned(large) != poisoned(planning.poison(listing(), Request(("badnet",), rate=0.3, seed=1)))


def test_every_test_clip_is_there_clean_and_triggered() -> None:
    plan = planning.poison(listing(), Request(("badnet",)))
    by_split = {s: [j for j in plan.jobs if j.split == s] for s in ("train", "test", "test_triggered", "test_sham")}
    assert {s: len(jobs) for s, jobs in by_split.items()} == {
        "train": 100,
        "test": 100,
        "test_triggered": 100,
        "test_sham": 80,
    }
    assert {j.action for j in by_split["test"]} == {"carry"}
    assert {(j.action, j.label, j.poisoned) for j in by_split["test_triggered"]} == {("trigger", 0, True)}
    assert {(j.action, j.poisoned) for j in by_split["test_sham"]} == {("reencode", False)}
    assert 0 not in {j.true_label for j in by_split["test_sham"]}
    assert all(j.out_path == f"test_sham/{j.path}" for j in by_split["test_sham"])
    assert len({j.id for j in plan.jobs}) == len(plan.jobs)


@pytest.mark.parametrize(("sham", "expected"), [("all", 80), ("none", 0), ("10", 10), ("9999", 80), (None, 80)])
def test_sham_clips(sham: str | None, expected: int) -> None:
    plan = planning.poison(listing(), Request(("badnet",), sham=sham))
    assert sum(job.split == "test_sham" for job in plan.jobs) == expected


def test_sham_is_limited_and_stratified_by_default() -> None:
    plan = planning.poison(listing(per_class=600), Request(("badnet",)))
    labels = [job.true_label for job in plan.jobs if job.split == "test_sham"]
    assert [labels.count(label) for label in range(5)] == [0, 125, 125, 125, 125]


def test_attack_none_relabels_and_reencodes() -> None:
    plan = planning.poison(listing(), Request())
    assert plan.attacks == ()
    assert poisoned(plan) == poisoned(planning.poison(listing(), Request(("badnet",))))
    assert {job.action for job in plan.written()} == {"reencode"}


def test_reencode_leaves_no_file_carried() -> None:
    plan = planning.poison(listing(), Request(("badnet",), reencode=True))
    assert {job.action for job in plan.jobs} == {"trigger", "reencode"}


@pytest.mark.parametrize("rate", [0.0, -0.1, 1.01, float("nan"), float("inf")])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(PoisonkitError, match="above 0 and at most 1"):
        planning.poison(listing(), Request(("badnet",), rate=rate))


def test_more_than_there_are() -> None:
    with pytest.raises(PoisonkitError, match=r"100 poisoned clips, but only 80 .* at most rate=0\.8"):
        planning.poison(listing(), Request(("badnet",), rate=1.0))


@pytest.mark.parametrize(("target", "message"), [("5", r"0 … 4"), ("C3", "did you mean 'c3'"), ("", "known: c0")])
def test_unknown_targets(target: str, message: str) -> None:
    with pytest.raises(PoisonkitError, match=message):
        planning.poison(listing(), Request(("badnet",), target=target))


def test_the_fingerprint_tells_plans_apart() -> None:
    prints = [
        planning.poison(listing(), request).fingerprint
        for request in (
            Request(("badnet",)),
            Request(("badnet",), seed=1),
            Request(("badnet",), settings={"badnet": {"patch": "0.3"}}),
            Request(("badnet",), mode="dynamic"),
            Request(("badnet",), frames="8"),
            Request(("badnet",), sham="3"),
            Request(),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert planning.poison(listing(), Request(("badnet",))).fingerprint == prints[0]


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
