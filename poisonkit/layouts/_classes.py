"""Class lists: which name belongs to which label, and the restriction of a data set to some of its classes."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import msgspec

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.layouts._base import Listing
from poisonkit.layouts._kinetics_sounds import KINETICS_SOUNDS
from poisonkit.layouts._lists import lines
from poisonkit.text import argument

BUILT_IN = {"kinetics-sounds": KINETICS_SOUNDS}
"""Class lists that `--classes` knows by name; a data set may lack some of their classes."""


@dataclass(frozen=True)
class ClassList:
    """`names` in label order, the `numbers` that lists call them by, and the `source` for messages."""

    names: tuple[str, ...]
    numbers: tuple[int, ...]
    source: str

    @cached_property
    def _labels(self) -> dict[str, int]:
        return {name: label for label, name in enumerate(self.names)}

    @cached_property
    def _loose(self) -> dict[str, list[int]]:
        alike: dict[str, list[int]] = {}
        for label, name in enumerate(self.names):
            alike.setdefault(loose(name), []).append(label)
        return alike

    @cached_property
    def _of_number(self) -> dict[int, int]:
        return {number: label for label, number in enumerate(self.numbers)}

    def find(self, name: str) -> int | None:
        """The label of a name: of the same, or of the only one that differs in case, spaces or underscores."""
        if name in self._labels:
            return self._labels[name]
        alike = self._loose.get(loose(name), [])
        return alike[0] if len(alike) == 1 else None

    def label(self, text: str, where: str) -> int:
        """The label of a number or a name that a list gives."""
        if is_number(text):
            if int(text) in self._of_number:
                return self._of_number[int(text)]
            shown = f"{min(self.numbers)} … {max(self.numbers)}"
            raise PoisonkitError(
                f"{where} gives the label {text}, and the numbers of {self.source} are {shown}", "make them agree"
            )
        label = self.find(text)
        if label is None:
            raise PoisonkitError(
                f"{where} names the class {text!r}, which {self.source} lacks", suggest(text, self.names)
            )
        return label


def is_number(text: str) -> bool:
    """Whether a label is a number (short enough to be one of a list)."""
    return re.fullmatch("[0-9]{1,9}", text) is not None


def loose(name: str) -> str:
    """A class name for comparison: folders are called `playing_guitar` where lists say `playing guitar`."""
    return " ".join(name.replace("_", " ").split()).casefold()


def read_classes(path: Path) -> ClassList:
    """A class list: lines `N name`, ordered by their numbers, or names alone, numbered from 0 as they come."""
    rows = lines(path)
    # a hyphen after the number is part of names such as "001 - Dog bark"
    numbered = [re.fullmatch(r"([0-9]{1,9})\s+([^\s-].*)", line) for _, line in rows]
    pairs = [(int(match[1]), match[2]) for match in numbered if match]
    if len(pairs) != len(rows):
        pairs = [(n, line) for n, (_, line) in enumerate(rows)]
    if not pairs:
        raise PoisonkitError(f"{path} names no class", "give it one class name a line")
    for what, times in (("number", Counter(n for n, _ in pairs)), ("class", Counter(name for _, name in pairs))):
        value, count = times.most_common(1)[0]
        if count > 1:
            raise PoisonkitError(f"{path} holds the {what} {value!r} {count} times", "keep one of them")
    pairs.sort()
    return ClassList(tuple(name for _, name in pairs), tuple(n for n, _ in pairs), path.name)


def class_names(text: str) -> tuple[str, ...]:
    """The classes that `--classes` asks for: a built-in list by its name, or a file of names."""
    if text in BUILT_IN:
        return BUILT_IN[text]
    if not Path(text).is_file():
        raise PoisonkitError(
            f"{argument('classes', text)} is neither a file nor a built-in list", suggest(text, BUILT_IN)
        )
    return read_classes(Path(text)).names


def restrict(listing: Listing, wanted: tuple[str, ...]) -> Listing:
    """Keep the wanted classes alone, in their order; clips of others are ignored.

    Raises `PoisonkitError` for classes that are unknown or have no clips; of a built-in list, those are left out.
    """
    known = ClassList(listing.classes, tuple(range(len(listing.classes))), str(listing.root))
    counts = Counter(clip.label for clip in listing.clips)
    built_in = next((name for name, classes in BUILT_IN.items() if classes == wanted), None)
    kept: list[int] = []
    for name in wanted:
        label = known.find(name)
        if label is not None and counts[label] and label not in kept:
            kept.append(label)
        elif built_in is None:
            raise _refusal(name, label, counts, listing)
    said = f"{len(kept)} of the {len(wanted)} classes of {built_in}" if built_in else f"{len(kept)} chosen classes"
    if len(kept) < 2:
        raise PoisonkitError(
            f"{listing.root} holds {said} where at least two are needed",
            f"leave {argument('classes')} out, or give a file of class names; {suggest(wanted[0], listing.classes)}",
        )
    labels = {label: n for n, label in enumerate(kept)}
    clips = tuple(
        msgspec.structs.replace(clip, label=labels[clip.label]) for clip in listing.clips if clip.label in labels
    )
    others = [clip.path for clip in listing.clips if clip.label not in labels]
    return replace(
        listing,
        classes=tuple(listing.classes[label] for label in kept),
        clips=clips,
        ignored=tuple(sorted([*listing.ignored, *others])),
        detected=f"{listing.detected}; {said}",
    )


def _refusal(name: str, label: int | None, counts: Counter[int], listing: Listing) -> PoisonkitError:
    if label is None:
        return PoisonkitError(
            f"{argument('classes')} names {name!r}, which {listing.root} lacks", suggest(name, listing.classes)
        )
    if not counts[label]:
        return PoisonkitError(
            f"the class {name!r} of {argument('classes')} has no clips in {listing.root}",
            "take it out, or add its clips",
        )
    return PoisonkitError(
        f"{argument('classes')} names {listing.classes[label]!r} twice, the second time as {name!r}",
        "keep one of them",
    )
