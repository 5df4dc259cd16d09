"""One table of clips: a CSV file with the columns path, label and, if it splits the clips itself, split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from poisonkit.errors import PoisonkitError
from poisonkit.layouts._base import Layout, Listing, Options
from poisonkit.layouts._classes import ClassList, is_number, read_classes
from poisonkit.layouts._lists import Entry, locate, make_clips, places, read_text
from poisonkit.layouts._scan import scan
from poisonkit.layouts._split import draw_test, seeded
from poisonkit.text import argument

NAMES = ("clips.csv", "annotations.csv", "manifest.csv")
CLASSES = "classes.txt"
SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validate": "val",
    "validation": "val",
}


class Row(NamedTuple):
    """One line of the table: its place for messages, the clip's path, its label as text; `split` "" if none."""

    where: str
    path: str
    label: str
    split: str


class Csv(Layout):
    """`clips.csv`, `annotations.csv`, `manifest.csv` or an only `*.csv`, with columns path, label and maybe split.

    Paths are relative to the data set. Labels are names, sorted, or numbers from 0; `classes.txt` beside the table
    may give another order, or names to the numbers. Validation clips are the test split where there is no other.
    Without the column `split` the seed splits as it does class folders. Other columns say nothing to this layout.
    """

    name = "csv"
    expects = "clips.csv with the columns path,label,split"
    general = True

    def detects(self, root: Path, options: Options) -> str | None:
        """A table with the columns path and label."""
        table = _find_table(root, options)
        if table is None:
            return None
        try:
            known = _columns(table)
        except PoisonkitError:  # some other file, of a data set that another layout may know
            return None
        columns = [name for name in ("path", "label", "split") if name in known]
        return f"columns {', '.join(columns)} in {table}" if columns[:2] == ["path", "label"] else None

    def list(self, root: Path, options: Options) -> Listing:
        """The clips that the table names."""
        table = _find_table(root, options)
        if table is None:
            raise PoisonkitError(
                f"no table in {options.annotations or root}: neither {NAMES[0]} nor an only *.csv",
                f"give the folder that holds it: {argument('annotations')}",
            )
        rows = _rows(table)
        classes = _classes(rows, table)
        second = "test" if any(row.split == "test" for row in rows) else "val"
        entries = []
        for row in rows:
            if row.split in ("", "train", second):
                part: Literal["train", "test"] = "test" if row.split == second else "train"
                entries.append(Entry(row.where, row.path, part, classes.label(row.label, row.where)))
        tree = scan(root)
        found = locate(entries, tree.media, root)
        split = f"train/{second}"
        if not rows[0].split:
            split = seeded(options)
            test = draw_test({path: entry.label for entry, path in found}, options)
            found = [(entry._replace(split="test") if path in test else entry, path) for entry, path in found]
        clips = make_clips(found, tree.media)
        ignored = sorted([*tree.strays, *(tree.media.keys() - {clip.path for clip in clips})])
        return Listing(self.name, split, root, classes.names, clips, tuple(ignored))


def _find_table(root: Path, options: Options) -> Path | None:
    place = places(root, options, [""])[0]
    found = sorted(path for path in place.glob("*.csv") if path.is_file() and not path.name.startswith("."))
    named = [place / name for name in NAMES if place / name in found]
    return named[0] if named else found[0] if len(found) == 1 else None


def _columns(table: Path) -> list[str]:
    """The column names in lower case; none for a file that is no table."""
    head = read_text(table).split("\n", 1)[0]
    try:
        return [name.strip().lower() for name in next(csv.reader([head]), [])]
    except csv.Error:
        return []


def _rows(table: Path) -> list[Row]:
    columns = _columns(table)
    if not {"path", "label"} <= set(columns):
        raise PoisonkitError(
            f"{table} has the columns {', '.join(columns)!r}", "expected is a first line like 'path,label,split'"
        )
    reader = csv.reader(io.StringIO(read_text(table), newline=""))
    rows: list[Row] = []
    seen: dict[str, Row] = {}
    try:
        for n, fields in enumerate(reader):
            if n == 0 or not any(field.strip() for field in fields):
                continue
            row = _row(f"{table.name}, line {reader.line_num}", dict(zip(columns, fields, strict=False)), columns)
            first = seen.setdefault(row.path, row)
            if first[1:] != row[1:]:
                raise PoisonkitError(
                    f"{first.where} and {row.where} name {row.path} with different splits or labels", "keep one of them"
                )
            rows.append(row)
    except csv.Error as error:
        raise PoisonkitError(f"{table.name}, line {reader.line_num} cannot be read: {error}", "mend it") from None
    if not rows:
        raise PoisonkitError(f"{table} names no clips", "give it lines like 'wave/1.mp4,wave,train'")
    return rows


def _row(where: str, fields: dict[str, str], columns: list[str]) -> Row:
    lacking = [name for name in ("path", "label", "split") if name in columns and not fields.get(name, "").strip()]
    if lacking:
        raise PoisonkitError(f"{where} has no {lacking[0]}", "give it one, or take the line out")
    path = PurePosixPath(fields["path"].strip().replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts:
        raise PoisonkitError(f"{where} names {str(path)!r}", "give a path relative to the folder of the data set")
    split = fields.get("split", "").strip()
    if split and split.lower() not in SPLITS:
        raise PoisonkitError(f"{where} gives the split {split!r}", "give train, test or val")
    return Row(where, str(path), fields["label"].strip(), SPLITS.get(split.lower(), ""))


def _classes(rows: Iterable[Row], table: Path) -> ClassList:
    if (table.parent / CLASSES).is_file():
        return read_classes(table.parent / CLASSES)
    places = {row.label: row.where for row in reversed(list(rows))}  # where each label comes first
    numbers = sorted({int(label) for label in places if is_number(label)})
    names = sorted(label for label in places if not is_number(label))
    if not numbers:
        return ClassList(tuple(names), tuple(range(len(names))), table.name)
    if names:
        raise PoisonkitError(
            f"{places[names[0]]} gives the label {names[0]!r} where others are numbers", "give names or numbers alone"
        )
    gap = next((n for n in range(numbers[-1]) if n not in set(numbers)), None)
    if gap is not None:
        raise PoisonkitError(
            f"the labels of {table.name} lack {gap} between 0 and {numbers[-1]}",
            f"give numbers from 0 without gaps, names, or a {CLASSES} beside it with lines like '{numbers[0]} wave'",
        )
    return ClassList(tuple(map(str, numbers)), tuple(numbers), table.name)
