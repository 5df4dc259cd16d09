"""What layouts with lists share: their lines, and the clips on disk that the lines name."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.layouts._base import Clip, Options, clip_ids
from poisonkit.layouts._scan import check_link
from poisonkit.text import argument

MAX_BYTES = 2**27
"""Of a list: larger files are refused before they are read."""
_SUFFIXES = (".txt", ".csv")


class Entry(NamedTuple):
    """One clip that a list names: the place in the list for messages, its path, and what it is to be."""

    where: str
    path: str
    split: Literal["train", "test"]
    label: int


def places(root: Path, options: Options, usual: Iterable[str]) -> list[Path]:
    """The folders in which lists may lie: the one that was given, else the usual ones.

    Raises `PoisonkitError` for links that leave the data set, or the given folder: a list that is read is quoted.
    """
    if options.annotations:
        _check_links(options.annotations, os.path.realpath(options.annotations))
        return [options.annotations]
    home = os.path.realpath(root)
    found = [root / name for name in usual]
    for place in found:
        if place != root and place.is_symlink():
            check_link(str(place), home)
        _check_links(place, home)
    return found


def _check_links(place: Path, home: str) -> None:
    if place.is_dir():
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.lower().endswith(_SUFFIXES) and entry.is_symlink():
                    check_link(entry.path, home)


def choose_split(place: Path, asked: str, known: Iterable[str]) -> str:
    """The split that was asked for, without leading zeros; it must be one of those that `place` has lists of."""
    split, splits = asked.lstrip("0"), list(known)
    if split not in splits:
        raise PoisonkitError(f"no split {asked!r} in {place}", suggest(asked, splits))
    return split


def read_text(path: Path) -> str:
    """A list as text, without a byte order mark; raises `PoisonkitError` for what is no file of a list's size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe or a device might never end
            raise PoisonkitError(f"{path} is no regular file", "put the list itself there")
        if status.st_size > MAX_BYTES:
            raise PoisonkitError(
                f"{path} has {status.st_size} bytes, more than the {MAX_BYTES} of a list", "give the right one"
            )
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise PoisonkitError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
    except OSError as error:
        raise PoisonkitError(
            f"cannot read {path}: {error.strerror}", f"give another folder: {argument('annotations')}"
        ) from None


def lines(path: Path) -> list[tuple[str, str]]:
    """The lines that hold something, stripped, each with its place for messages."""
    name = path.name
    every = enumerate(map(str.strip, read_text(path).split("\n")), 1)
    return [(f"{name}, line {n}", line) for n, line in every if line]


def locate(entries: Iterable[Entry], media: Mapping[str, int], root: Path) -> list[tuple[Entry, str]]:
    """Every entry with its path on disk: the same, or the only one that differs in case or suffix alone."""
    entries = list(entries)
    named = {entry.path for entry in entries}
    alike: dict[str, list[str]] = defaultdict(list)
    for path in media.keys() - named:  # what is listed under its own name stands in for nothing else
        alike[_stem(path)].append(path)
    found = []
    missing = set()
    for entry in entries:
        candidates = [entry.path] if entry.path in media else alike.get(_stem(entry.path), [])
        if len(candidates) == 1:
            found.append((entry, candidates[0]))
        else:
            missing.add(entry.path)
    if missing:
        raise PoisonkitError(
            f"{len(missing)} of the {len(named)} clips that the lists name are not among the media files of {root}, "
            f"the first is {min(missing)}",
            f"complete the data set, or give lists of what is there: {argument('annotations')}",
        )
    return found


def _stem(path: str) -> str:
    return os.path.splitext(path)[0].casefold()


def make_clips(found: Iterable[tuple[Entry, str]], media: Mapping[str, int], base: str = "") -> tuple[Clip, ...]:
    """The clips; their ids are the paths below the folder `base` ("" or with a slash at its end).

    Lines that say the same twice count once; lines that contradict each other are an error.
    """
    chosen: dict[str, Entry] = {}
    for entry, path in found:
        first = chosen.setdefault(path, entry)
        if (first.split, first.label) != (entry.split, entry.label):
            raise PoisonkitError(
                f"{first.where} and {entry.where} put {path} into different splits or classes", "keep one of the lines"
            )
    ids = clip_ids(path.removeprefix(base) for path in chosen)
    return tuple(
        Clip(ids[path.removeprefix(base)], path, entry.split, entry.label, media[path])
        for path, entry in chosen.items()
    )
