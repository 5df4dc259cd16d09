"""Which clips are poisoned, which get a sham copy, which of the test clips are taken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from poisonkit import seeding
from poisonkit.errors import PoisonkitError
from poisonkit.layouts._base import Clip, Listing
from poisonkit.manifest import Rate, Split, Target
from poisonkit.plan.request import Request
from poisonkit.text import argument

SHAM_LIMIT = 500
"""Sham clips written when nothing else is asked for: enough for an interval of ±2 points."""
_SHAM, _TRAIN_TRIGGERED = "sham", "train triggered"
"""The stages in whose order clips are taken for the splits that are written beside the test clips."""


def choose(train: Sequence[Clip], request: Request, target: Target) -> tuple[set[str], Rate]:
    """The training clips to poison: the first of an order that depends on seed and id alone.

    So a lower rate's clips are a subset of a higher one's, and all attacks of one seed take the same clips.
    """
    if not 0 < request.rate <= 1:  # also refuses NaN
        raise PoisonkitError(
            f"{argument('rate', request.rate)} is not a fraction", "give a number above 0 and at most 1, such as 0.1"
        )
    of = request.rate_of or ("target" if request.label_mode == "clean" else "all")
    order = selection_order(train, request, target)
    total = len(train) if of == "all" else sum(1 for c in train if c.label == target.label)
    if not order or not total:
        where = f"of class {target.name!r}" if request.label_mode == "clean" or not total else f"but of {target.name!r}"
        raise PoisonkitError(
            f"there are no training clips {where}", f"choose another {argument('target')}, or other lists"
        )
    count = max(1, round(request.rate * total))
    if count > len(order):
        where = f"of class {target.name!r}" if request.label_mode == "clean" else f"outside class {target.name!r}"
        raise PoisonkitError(
            f"{argument('rate', request.rate)} asks for {count} poisoned clips, but only {len(order)} training clips "
            f"{where} are eligible",
            f"ask for at most {argument('rate', _floor(len(order) / total) if total else 0)}",
        )
    chosen = {clip.id for clip in order[:count]}
    return chosen, Rate(request.rate, round(count / total, 6), of, count, total)


def selection_order(train: Sequence[Clip], request: Request, target: Target) -> list[Clip]:
    """The training clips that may be poisoned, in the order in which they are."""
    clean = request.label_mode == "clean"
    eligible = [c for c in train if (c.label == target.label) == clean]
    return sorted(eligible, key=lambda clip: seeding.key(request.seed, clip.id, "select"))


def _floor(fraction: float) -> float:
    return int(fraction * 1000) / 1000


def choose_sham(test: Sequence[Clip], request: Request, target: Target) -> list[Clip]:
    """The test clips outside the target class that are re-encoded without the trigger, of each class in proportion."""
    if request.sham is None and not request.attacks:
        return []  # without a trigger the triggered clips are sham clips already
    others = sham_candidates(test, target)
    count = SHAM_LIMIT if request.sham is None else _count("sham", request.sham, len(others))
    return stratified(others, min(count, len(others)), request.seed, _SHAM)


def choose_train_triggered(
    train: Sequence[Clip], poisoned: Collection[str], request: Request, target: Target
) -> list[Clip]:
    """Training clips outside the target class that are not poisoned, to be written with the trigger as well.

    A victim does not train on them: whether it takes them for the target tells what it learned of the trigger from
    what it learned of the poisoned clips.
    """
    others = triggered_candidates(train, poisoned, target)
    count = _count("train_triggered", request.train_triggered, len(others))
    if count and not request.attacks:
        raise PoisonkitError(
            f"{argument('train_triggered', request.train_triggered)} needs a trigger", "leave it out, or give an attack"
        )
    return stratified(others, min(count, len(others)), request.seed, _TRAIN_TRIGGERED) if count else []


def sham_candidates(test: Sequence[Clip], target: Target) -> list[Clip]:
    """The test clips that may be written as sham clips."""
    return [c for c in test if c.label != target.label]


def triggered_candidates(train: Sequence[Clip], poisoned: Collection[str], target: Target) -> list[Clip]:
    """The training clips that may be written with the trigger without being poisoned."""
    return [c for c in train if c.label != target.label and c.id not in poisoned]


def _count(name: str, asked: str, available: int) -> int:
    """A number of clips that was asked for; raises `PoisonkitError` for what is none."""
    if asked in ("all", "none"):
        return available if asked == "all" else 0
    if asked.isascii() and asked.isdigit():
        return int(asked)
    raise PoisonkitError(f"{argument(name, asked)} is not all, none or a number of clips", "give one of them")


def written_first(clips: Sequence[Clip], counts: Mapping[int, int], split: Split, seed: int) -> list[Clip]:
    """Of each class's clips as many as `counts` says, from the beginning of the order in which `split` takes them."""
    order = _by_class(clips, seed, {"test_sham": _SHAM, "train_triggered": _TRAIN_TRIGGERED}[split])
    return [clip for label, members in order.items() for clip in members[: counts.get(label, 0)]]


def limit_test(listing: Listing, limit: int | None, seed: int) -> Listing:
    """The listing with at most `limit` test clips, of each class in proportion; the others are listed as ignored."""
    if limit is None:
        return listing
    if limit < 1:
        raise PoisonkitError(
            f"{argument('test_limit', limit)} leaves no test clips", "give at least 1, or leave it out"
        )
    test = [c for c in listing.clips if c.split == "test"]
    kept = {c.id for c in stratified(test, min(limit, len(test)), seed, "test limit")}
    left_out = tuple(c.path for c in test if c.id not in kept)
    clips = tuple(c for c in listing.clips if c.split != "test" or c.id in kept)
    return replace(listing, clips=clips, ignored=tuple(sorted((*listing.ignored, *left_out))))


def stratified(clips: Sequence[Clip], count: int, seed: int, stage: str) -> list[Clip]:
    """`count` clips, each class in proportion to its size (largest remainders first), drawn by seed, id and stage."""
    classes = _by_class(clips, seed, stage)
    quotas = {label: count * len(members) / len(clips) for label, members in classes.items()}
    counts = {label: int(quota) for label, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda label: (counts[label] - quotas[label], label))
    for label in by_remainder[: count - sum(counts.values())]:
        counts[label] += 1
    return [clip for label in sorted(classes) for clip in classes[label][: counts[label]]]


def _by_class(clips: Sequence[Clip], seed: int, stage: str) -> dict[int, list[Clip]]:
    """The clips of each class, in an order that is drawn by seed, id and stage."""
    classes: dict[int, list[Clip]] = defaultdict(list)
    for clip in sorted(clips, key=lambda c: seeding.key(seed, c.id, stage)):
        classes[clip.label].append(clip)
    return classes
