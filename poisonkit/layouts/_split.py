"""The seeded split of data sets that come without one: stratified by class, and groups stay together."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping

from poisonkit.layouts._base import Options, stem_of
from poisonkit.seeding import key

GROUPS = (
    re.compile(r"_(g\d+)(?:_|$)"),  # UCF: clips of one group show the same people and place
    re.compile(r"^v_\w*?_(\d+)_\d+$"),  # UCF11: v_shooting_01_03
    re.compile(r"^\d-(\d+)-[A-Z](?:-\d+)?$"),  # ESC: fold, recording, take, class
    re.compile(r"^([\w-]{11})_\d{6}_\d{6}$"),  # Kinetics: one YouTube video, start, stop
)


def seeded(options: Options) -> str:
    """What a listing calls its split when the seed drew it."""
    return f"seed {options.seed}, {options.test_fraction:g} test"


def group_of(path: str) -> str:
    """The group that a clip's name shows; clips that show none are alone with those that share their stem."""
    stem = stem_of(path.rsplit("/", 1)[-1])
    match = next(filter(None, (pattern.search(stem) for pattern in GROUPS)), None)
    return match[1] if match else stem_of(path)


def draw_test(labels: Mapping[str, int], options: Options) -> set[str]:
    """The paths of the test split: whole groups, drawn in the seed's order while classes lack test clips.

    Every class keeps a group for training, and has one in test if it can: round(fraction · clips), at least 1.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for path in labels:
        members[group_of(path)].append(path)
    counts = {group: Counter(labels[path] for path in paths) for group, paths in members.items()}
    order = sorted(counts, key=lambda group: key(options.seed, group, "layout/test"))
    left = Counter(labels.values())
    lacking = {label: max(1, round(options.test_fraction * n)) for label, n in left.items()}
    drawn: set[str] = set()

    def draw(group: str) -> None:
        drawn.add(group)
        left.subtract(counts[group])
        for label, n in counts[group].items():
            lacking[label] -= n

    def spares(group: str) -> bool:
        return all(left[label] > n for label, n in counts[group].items())

    for group in order:
        useful = sum(min(n, max(0, lacking[label])) for label, n in counts[group].items())
        if spares(group) and 2 * useful > counts[group].total():  # more of it is lacking than is too much
            draw(group)
    for label, total in sorted(Counter(labels.values()).items()):
        if left[label] == total:  # nothing of this class was small enough: take its smallest group
            spared = [group for group in order if label in counts[group] and spares(group)]
            if spared:
                draw(min(spared, key=lambda group: counts[group].total()))
    return {path for group in drawn for path in members[group]}
