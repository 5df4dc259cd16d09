"""Kinetics and what is listed like it: lists of YouTube clips, of which some are always missing on disk."""

from __future__ import annotations

import csv
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from poisonkit.errors import PoisonkitError
from poisonkit.files import is_audio
from poisonkit.layouts._base import Layout, Listing, Options, stem_of
from poisonkit.layouts._classes import ClassList, loose, read_classes
from poisonkit.layouts._lists import Entry, lines, make_clips, places
from poisonkit.layouts._scan import is_media, scan
from poisonkit.text import argument

PLACES = ("annotations", "splits", "lists", "")
CLASSES = ("classes.txt", "label_map*.txt")
PARTS = {"train": "train", "val": "val", "validate": "val", "validation": "val", "test": "test"}
LIST = re.compile(rf"(?:[^.].*[_-])?({'|'.join(PARTS)})(?:_?list)?(?:_videos)?\.(?:csv|txt)")
CLIP = re.compile(r"([\w-]{11})_(\d{1,6})(?:_\d{1,6})?", re.ASCII)  # YouTube id, start and end in seconds
SECONDS = re.compile(r"\d+(\.\d*)?")
COLUMNS = ("label", "youtube_id", "time_start", "time_end")


class Row(NamedTuple):
    """One line of a list: its place for messages, the clip's name or path, its class's name or number."""

    where: str
    clip: str
    label: str


class Kinetics(Layout):
    """`train.csv` and `val.csv` (or `validate.csv`, `test.csv`), and clips `<YouTube id>_000010_000020.mp4` anywhere.

    Lists have the official columns, or lines `<clip>,10,<label>` (Kinetics-Sounds: `my_train.txt`) or
    `<path> <label>` (MMAction2). Clips are found by id and start, in class folders or without them. Numbers are those
    of `classes.txt` or `label_map*.txt` beside the lists, else the class folders in the paths name them; names without
    such a file are sorted. Listed clips that are not on disk are counted, unlisted ones ignored. The validation list is
    the test split; a test list is, where there is no other.
    """

    name = "kinetics"
    expects = "train.csv and val.csv with label,youtube_id,time_start,time_end in annotations/ and the clips"

    def detects(self, root: Path, options: Options) -> str | None:
        """Lists of training and of validation or test clips, with names such as Kinetics gives them."""
        found = _find_lists(root, options, _is_kinetics)
        return None if found is None else _named(found)

    def list(self, root: Path, options: Options) -> Listing:
        """The clips of the lists that are on disk."""
        found = _find_lists(root, options, _is_kinetics) or _find_lists(root, options, Path.is_file)
        if found is None:
            where = options.annotations or f"{root} or its {PLACES[0]} folder"
            raise PoisonkitError(
                f"no lists train.csv and val.csv (or validate.csv, test.csv) in {where}",
                f"give their folder: {argument('annotations')}",
            )
        train, test = (_rows(path) for path in found)
        classes = _classes(found[0].parent, train, [*train, *test])
        tree = scan(root, skip={os.path.relpath(found[0].parent, root)})
        on_disk = _by_key(tree.media)
        pairs = [*_pairs(train, "train", classes, on_disk), *_pairs(test, "test", classes, on_disk)]
        total = len(train) + len(test)
        if not pairs:
            example = next((row.clip for row in (*train, *test)), "none")
            raise PoisonkitError(
                f"none of the {total} clips that {_named(found)} list is in {root}, the first is {example}",
                "give the folder that holds the clips",
            )
        clips = make_clips(pairs, tree.media)
        ignored = sorted([*tree.strays, *(tree.media.keys() - {clip.path for clip in clips})])
        empty = len(classes.names) - len({clip.label for clip in clips})
        detected = _named(found) + _lost(total - len(pairs), total, empty)
        split = f"{_part(found[0])}/{_part(found[1])}"
        return Listing(self.name, split, root, classes.names, clips, tuple(ignored), detected)


def _named(found: Sequence[Path]) -> str:
    return f"{found[0].name} and {found[1].name} in {found[0].parent}"


def _lost(missing: int, total: int, empty: int) -> str:
    """What is said about clips and classes that the lists name and the disk lacks."""
    said = f", {missing} of the {total} listed clips are not on disk" if missing else ""
    return said + (f", {empty} classes have none ({argument('classes')} leaves them out)" if empty else "")


def _part(path: Path) -> str:
    match = LIST.fullmatch(path.name)
    return PARTS[match[1]] if match else ""


def _find_lists(root: Path, options: Options, fits: Callable[[Path], bool]) -> tuple[Path, Path] | None:
    """The lists of the first place that has both, of those that fit."""
    for place in places(root, options, PLACES):
        lists: dict[str, list[Path]] = defaultdict(list)
        for path in sorted(place.glob("*")):
            if _part(path) and fits(path):
                lists[_part(path)].append(path)
        second = "val" if "val" in lists else "test"
        if "train" in lists and second in lists:
            train, test = (_only(lists[part], place) for part in ("train", second))
            return train, test
    return None


def _only(paths: list[Path], place: Path) -> Path:
    if len(paths) > 1:
        raise PoisonkitError(
            f"{place} holds both {paths[0].name} and {paths[1].name}",
            f"keep one, or give a folder with one: {argument('annotations')}",
        )
    return paths[0]


def _is_kinetics(path: Path) -> bool:
    """Whether a list's beginning names clips by YouTube id and time, which sets it apart from others' train.csv."""
    try:
        rows = lines(path)
        if not rows or _is_official(rows[0][1]):
            return bool(rows)
    except PoisonkitError:  # some other file, of a data set that another layout may know
        return False
    row = _plain(*rows[0])
    return row is not None and CLIP.fullmatch(_stem(row.clip)) is not None


def _is_official(line: str) -> bool:
    return "youtube_id" in _fields(line.lower())


def _fields(line: str) -> list[str]:
    if '"' not in line and len(line) < 1000:  # what needs no reader of its own is most of a long list
        return [field.strip() for field in line.split(",")]
    try:
        return [field.strip() for field in next(csv.reader([line]), [])]
    except csv.Error as error:
        raise PoisonkitError(f"the line {line[:60]!r} of a list cannot be read: {error}", "mend it") from None


def _rows(path: Path) -> list[Row]:
    every = lines(path)
    if every and _is_official(every[0][1]):
        return _official(path, every)
    rows = []
    for where, line in every:
        row = _plain(where, line)
        if row is None:
            raise PoisonkitError(
                f"{where} is {line!r}",
                "expected is a first line 'label,youtube_id,time_start,time_end', or lines like "
                "'<youtube id>_000010_000020,10,4' or 'wave/1.mp4 4'",
            )
        rows.append(row)
    return rows


def _plain(where: str, line: str) -> Row | None:
    """A line `<clip>,<seconds>,<number>`, `<clip>,<number>` or `<clip> <number>`; the clip may hold spaces."""
    match = re.fullmatch(r"(.+?)(?:,\d+)?[,\s]\s*(\d+)", line, re.ASCII)
    return Row(where, match[1], match[2]) if match else None


def _official(path: Path, every: Sequence[tuple[str, str]]) -> list[Row]:
    columns = _fields(every[0][1].lower())
    lacking = [name for name in COLUMNS if name not in columns]
    if lacking:
        raise PoisonkitError(
            f"{path.name} has no column {lacking[0]!r}, only {', '.join(columns)}",
            f"give a list with {', '.join(COLUMNS)}: {argument('annotations')}",
        )
    place_of = {name: place for place, name in enumerate(columns)}
    asked = [place_of[name] for name in COLUMNS]
    rows = []
    for where, line in every[1:]:
        fields = _fields(line)
        label, video, start, end = [fields[place] if place < len(fields) else "" for place in asked]
        if not (label and video and SECONDS.fullmatch(start) and SECONDS.fullmatch(end)):
            raise PoisonkitError(
                f"{where} is {line!r}", "expected is a label, a YouTube id, and start and end in seconds"
            )
        rows.append(Row(where, f"{label}/{video}_{int(float(start)):06d}_{int(float(end)):06d}", label))
    return rows


def _classes(place: Path, train: Sequence[Row], rows: Sequence[Row]) -> ClassList:
    path = next((path for pattern in CLASSES for path in sorted(place.glob(pattern))), None)
    if path is not None:
        return read_classes(path)
    if not all(row.label.isdecimal() for row in rows):
        names = {loose(row.label): row.label for row in train}
        return ClassList(tuple(sorted(names.values())), tuple(range(len(names))), f"the training list in {place}")
    # without a class list only the folders in the paths can tell what a number means
    folders: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        folders[int(row.label)].add("/".join(row.clip.split("/")[-2:-1]))
    named = {number: min(names) for number, names in folders.items() if len(names) == 1 and "" not in names}
    if len(named) < len(folders) or len(set(named.values())) < len(named):
        raise PoisonkitError(
            f"the lists in {place} number the classes without naming them",
            f"put a classes.txt beside them with lines like '{min(folders)} wave'",
        )
    numbers = sorted(named)
    return ClassList(tuple(named[n] for n in numbers), tuple(numbers), f"the lists in {place}")


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return stem_of(name) if is_media(name) else name


def _key(path: str) -> str:
    """What a clip is found by: YouTube id and start, whose digits lists and files pad differently; else its stem."""
    stem = _stem(path)
    match = CLIP.fullmatch(stem)
    return f"{match[1]} {int(match[2])}" if match else stem


def _by_key(media: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(media):
        found[_key(path)].append(path)
    return found


def _pairs(
    rows: Iterable[Row], part: Literal["train", "test"], classes: ClassList, on_disk: Mapping[str, Sequence[str]]
) -> list[tuple[Entry, str]]:
    """The rows whose clips are on disk, with their paths."""
    pairs = []
    labels: dict[str, int] = {}
    for row in rows:
        if row.label not in labels:  # also of what is missing: a wrong list is told early
            labels[row.label] = classes.label(row.label, row.where)
        label = labels[row.label]
        candidates = on_disk.get(_key(row.clip))
        if candidates:
            path = _choose(candidates, row, part, classes.names[label])
            pairs.append((Entry(row.where, row.clip, part, label), path))
    return pairs


def _choose(candidates: Sequence[str], row: Row, part: str, class_name: str) -> str:
    """The file of a listed clip: of several, that in the split's and the class's folder, or that with video."""
    if len(candidates) == 1:
        return candidates[0]

    def fit(path: str) -> tuple[bool, bool, bool, bool]:
        as_listed = f"/{path}".endswith(f"/{row.clip}")
        folders = path.split("/")[:-1]
        words = {PARTS.get(word) for folder in folders for word in re.split(r"[\W_]+", folder.lower())}
        in_part = "train" in words if part == "train" else bool(words & {"val", "test"})
        in_class = loose(class_name) in map(loose, folders)
        return as_listed, in_part, in_class, not is_audio(path)

    best, other = sorted(candidates, key=fit, reverse=True)[:2]
    if fit(best) == fit(other):
        raise PoisonkitError(f"{row.where} names {row.clip}, which may be {best} or {other}", "keep one of these files")
    return best
