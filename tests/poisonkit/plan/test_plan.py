"""Labels, jobs and names of a plan."""

from __future__ import annotations

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request
from tests.poisonkit.plan.listings import listing, poisoned


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


def test_attack_none_relabels_and_reencodes() -> None:
    plan = planning.poison(listing(), Request())
    assert plan.attacks == ()
    assert poisoned(plan) == poisoned(planning.poison(listing(), Request(("badnet",))))
    assert {job.action for job in plan.written()} == {"reencode"}


def test_reencode_leaves_no_file_carried() -> None:
    plan = planning.poison(listing(), Request(("badnet",), reencode=True))
    assert {job.action for job in plan.jobs} == {"trigger", "reencode"}


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
