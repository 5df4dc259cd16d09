"""UCF-101 and what is laid out like it: class folders, and `ucfTrainTestlist` with three official splits."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.layouts._base import Layout, Listing, Options
from poisonkit.layouts._lists import Entry, choose_split, lines, locate, make_clips, places
from poisonkit.layouts._scan import folders, scan
from poisonkit.text import argument

CLASSES = "classInd.txt"
PLACES = ("ucfTrainTestlist", "splits", "annotations", "")


class Line(NamedTuple):
    """One line of a list: its place, the clip's path below the media folder, its class's number if given."""

    where: str
    path: str
    number: int | None


class Ucf101(Layout):
    """`UCF-101/<Class>/*.avi`, with `classInd.txt` and `trainlist01.txt` … in `ucfTrainTestlist/`.

    The class folders may also lie in the root or in any one folder of it, the lists in `splits/` or
    elsewhere. Clips that no list names are ignored. A converted clip is found by its name without the suffix.
    """

    name = "ucf101"
    expects = "class folders in UCF-101/ and classInd.txt with its lists in ucfTrainTestlist/"
    splits = True

    def detects(self, root: Path, options: Options) -> str | None:
        """`classInd.txt` and a list of training clips in one of the usual places."""
        place = _find_lists(root, options)
        return None if place is None else f"{CLASSES} and {len(_splits(place))} splits in {place}"

    def list(self, root: Path, options: Options) -> Listing:
        """The clips of one official split (`options.split`, by default 1)."""
        place = _find_lists(root, options)
        if place is None:
            where = options.annotations or f"{root} or its ucfTrainTestlist folder"
            raise PoisonkitError(
                f"no {CLASSES} with trainlist01.txt beside it in {where}", f"give its folder: {argument('annotations')}"
            )
        split = choose_split(place, options.split or "1", _splits(place))
        numbers = _classes(place / CLASSES)
        names = [f"{part}list{split:0>2}.txt" for part in ("train", "test")]
        train, test = (_entries(place / name, numbers) for name in names)
        both = {entry.path for entry in train} & {entry.path for entry in test}
        if both:
            raise PoisonkitError(
                f"{len(both)} clips are both in {names[0]} and in {names[1]}, the first is {min(both)}",
                "take them out of one",
            )
        folder = _media_folder(root, numbers)
        tree = scan(root, folder, skip={os.path.relpath(place, root)})
        base = f"{folder}/" if folder else ""
        media = {base + path: size for path, size in tree.media.items()}
        classes = sorted(numbers, key=numbers.__getitem__)
        labels = {name: label for label, name in enumerate(classes)}
        parts: tuple[tuple[Literal["train", "test"], list[Line]], ...] = (("train", train), ("test", test))
        entries = [
            Entry(line.where, base + line.path, part, labels[PurePosixPath(line.path).parts[-2]])
            for part, listed in parts
            for line in listed
        ]
        found = locate(entries, media, root)
        ignored = [*(base + path for path in tree.strays), *(media.keys() - {path for _, path in found})]
        clips = make_clips(found, media, base)
        return Listing(self.name, split, root, tuple(classes), clips, tuple(sorted(ignored)))


def _find_lists(root: Path, options: Options) -> Path | None:
    return next(
        (place for place in places(root, options, PLACES) if (place / CLASSES).is_file() and _splits(place)), None
    )


def _splits(place: Path) -> list[str]:
    """The numbers N for which there is a `trainlist0N.txt`."""
    return sorted(str(int(p.stem[9:])) for p in place.glob("trainlist*.txt") if p.stem[9:].isdecimal())


def _classes(path: Path) -> dict[str, int]:
    """The number of each class; labels are their order."""
    numbers: dict[str, int] = {}
    for where, line in lines(path):
        match = re.fullmatch(r"(\d+)\s+(.+)", line)
        if match is None:
            raise PoisonkitError(f"{where} is {line!r}", "expected is a number and a class, like '1 Archery'")
        if match[2] in numbers or int(match[1]) in numbers.values():
            raise PoisonkitError(f"{where}, {line!r}, repeats a class or a number", "give each its own")
        numbers[match[2]] = int(match[1])
    return numbers


def _entries(path: Path, numbers: dict[str, int]) -> list[Line]:
    entries = []
    for where, line in lines(path):
        match = re.fullmatch(r"(.+\.\w+)\s+(\d+)", line)  # names may hold spaces; test lists have no numbers
        name = PurePosixPath((match[1] if match else line).replace("\\", "/"))
        entry = Line(where, str(name), int(match[2]) if match else None)
        if len(name.parts) < 2 or not name.suffix:
            raise PoisonkitError(f"{where} is {line!r}", "expected is a path like 'Archery/v_Archery_g01.avi'")
        owner = name.parts[-2]
        if owner not in numbers:
            raise PoisonkitError(f"{where} names the class {owner!r}, which {CLASSES} lacks", suggest(owner, numbers))
        if entry.number is not None and entry.number != numbers[owner]:
            raise PoisonkitError(
                f"{where} gives {owner!r} the number {entry.number}, {CLASSES} gives it {numbers[owner]}",
                "make the lists agree",
            )
        entries.append(entry)
    return entries


def _media_folder(root: Path, numbers: dict[str, int]) -> str:
    """The folder, relative to the root, that holds most class folders; the root itself is ''."""
    counts = {inside: len(numbers.keys() & set(folders(root / inside))) for inside in ["", *folders(root)]}
    best = max(counts, key=counts.__getitem__)
    if not counts[best]:
        raise PoisonkitError(
            f"no folder in {root} holds class folders like {next(iter(numbers), 'those')!r}, which {CLASSES} names",
            "put UCF-101/ there, or give the folder that holds it",
        )
    return best
