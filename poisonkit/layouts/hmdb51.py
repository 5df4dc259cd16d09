"""HMDB51 and what is laid out like it: class folders, and for every class and split a list of 1, 2 and 0."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.layouts._base import Layout, Listing, Options
from poisonkit.layouts._classes import read_classes
from poisonkit.layouts._lists import Entry, choose_split, lines, locate, make_clips, places
from poisonkit.layouts._scan import scan
from poisonkit.text import argument

PLACES = ("testTrainMulti_7030_splits", "splits", "annotations", "")
CLASSES = "class_list.txt"
LIST = re.compile(r"([^.].*)_test_split([0-9]{1,3})\.txt")


class Hmdb51(Layout):
    """`<class>/*.avi`, with `<class>_test_split1.txt` … in `testTrainMulti_7030_splits/`.

    A line of a list is a clip's name and 1 (train), 2 (test) or 0 (unused). The class folders may lie in the root or
    in any one folder of it, the lists in `splits/` or elsewhere. Labels follow the names of the classes, or
    `class_list.txt` if it lies beside the lists. Clips that no list uses are ignored.
    """

    name = "hmdb51"
    expects = "class folders and <class>_test_split1.txt for each in testTrainMulti_7030_splits/"
    splits = True

    def detects(self, root: Path, options: Options) -> str | None:
        """Split lists of classes in one of the usual places."""
        place = _find_lists(root, options)
        if place is None:
            return None
        splits = _splits(place)
        return f"lists of {len(set().union(*splits.values()))} classes in {len(splits)} splits in {place}"

    def list(self, root: Path, options: Options) -> Listing:
        """The clips of one official split (`options.split`, by default 1)."""
        place = _find_lists(root, options)
        if place is None:
            where = options.annotations or f"{root} or its {PLACES[0]} folder"
            raise PoisonkitError(
                f"no lists like wave_test_split1.txt in {where}", f"give their folder: {argument('annotations')}"
            )
        split = choose_split(place, options.split or "1", _splits(place))
        classes = _classes(place, split)
        tree = scan(root, skip={os.path.relpath(place, root)})
        base = _base(tree.media, classes, root)
        entries = [
            entry
            for label, name in enumerate(classes)
            for entry in _entries(place / f"{name}_test_split{split}.txt", f"{base}{name}", label)
        ]
        clips = make_clips(locate(entries, tree.media, root), tree.media, base)
        ignored = sorted([*tree.strays, *(tree.media.keys() - {clip.path for clip in clips})])
        return Listing(self.name, split, root, classes, clips, tuple(ignored))


def _find_lists(root: Path, options: Options) -> Path | None:
    return next((place for place in places(root, options, PLACES) if _splits(place)), None)


def _splits(place: Path) -> dict[str, set[str]]:
    """The classes that have a list, by split."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in place.glob("*_test_split*.txt"):
        match = LIST.fullmatch(path.name)
        if match:
            found[match[2]].add(match[1])
    return found


def _classes(place: Path, split: str) -> tuple[str, ...]:
    """The classes in label order; all must have a list of this split, and be in the class list if there is one."""
    splits = _splits(place)
    every = set().union(*splits.values())
    if (place / CLASSES).is_file():
        classes = read_classes(place / CLASSES).names
        unknown = sorted(every - set(classes))
        if unknown:
            raise PoisonkitError(
                f"{place} has lists of the class {unknown[0]!r}, which {CLASSES} lacks",
                suggest(unknown[0], classes),
            )
    else:
        classes = tuple(sorted(every))
    without = [name for name in classes if name not in splits[split]]
    if without:
        raise PoisonkitError(
            f"{place} has no {without[0]}_test_split{split}.txt ({len(without)} of {len(classes)} classes lack such a "
            "list)",
            f"add it, or choose another split with {argument('split')}",
        )
    return classes


def _base(media: Iterable[str], classes: Collection[str], root: Path) -> str:
    """The folder that holds most clips in class folders: "" for the root itself, else with a slash at its end."""
    known = set(classes)
    counts: Counter[str] = Counter()
    for path in media:
        first, *rest = path.split("/")
        if rest and first in known:
            counts[""] += 1
        elif len(rest) > 1 and rest[0] in known:
            counts[f"{first}/"] += 1
    if not counts:
        raise PoisonkitError(
            f"no folder in {root} holds clips in class folders like {min(known)!r}, which the lists name",
            "put them there, or give the folder that holds them",
        )
    return min(counts, key=lambda base: (-counts[base], base))


def _entries(path: Path, folder: str, label: int) -> list[Entry]:
    """The clips of one class that this split uses; `folder` is the class's own."""
    entries = []
    for where, line in lines(path):
        match = re.fullmatch(r"([^/\\]+\.\w+)\s+([012])", line)  # names may hold spaces
        if match is None:
            raise PoisonkitError(
                f"{where} is {line!r}", "expected is a clip's name and 0, 1 or 2, like 'Typing_wave_f_0.avi 1'"
            )
        if match[2] != "0":
            entries.append(Entry(where, f"{folder}/{match[1]}", "train" if match[2] == "1" else "test", label))
    return entries
