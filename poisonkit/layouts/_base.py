"""What every layout shares: clips, listings, options and the class that a new layout derives from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from poisonkit.errors import PoisonkitError
from poisonkit.text import argument, has_controls


class Clip(msgspec.Struct, frozen=True, gc=False):  # a struct, since there are hundreds of thousands
    """One media file: POSIX `path` relative to the source root, `label` from 0, `size` in bytes."""

    id: str
    path: str
    split: Literal["train", "test"]
    label: int
    size: int


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a data set: a folder of lists, which of the lists, and how to split where nothing says it.

    `test_fraction` is the fraction of each class that a seeded split puts into test, above 0 and below 1.
    `classes` are the only ones to keep, in the order of their new labels; None keeps all.
    """

    annotations: Path | None = None
    split: str | None = "1"
    seed: int = 0
    test_fraction: float = 0.2
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise PoisonkitError(f"the test fraction {self.test_fraction} is not between 0 and 1", "give one like 0.2")
        if self.classes is not None and len(self.classes) < 2:
            raise PoisonkitError(f"{argument('classes')} names {len(self.classes)} classes", "give two or more")


@dataclass(frozen=True, slots=True)
class Listing:
    """A data set as it lies on disk: `clips` sorted by id, `classes` in label order.

    `ignored` are the paths of files that are no clips of it, `detected` says by what the layout was
    recognised, `fingerprint` is the SHA-256 (hex) over classes and clips: names, labels, splits and sizes.
    """

    layout: str
    split: str
    root: Path
    classes: tuple[str, ...]
    clips: tuple[Clip, ...]
    ignored: tuple[str, ...] = ()
    detected: str = ""
    fingerprint: str = field(init=False)

    def __post_init__(self) -> None:
        for name in self.classes:  # of folders, or of lists, which may say anything
            if has_controls(name):
                raise PoisonkitError(
                    f"the class name {name!r} of {self.root} holds a control character", "rename the class"
                )
        clips = tuple(sorted(self.clips, key=lambda clip: clip.id))
        for part in ("train", "test"):
            if not any(clip.split == part for clip in clips):
                raise PoisonkitError(
                    f"{self.root} has no clips in its {part} split (layout {self.layout!r}, split "
                    f"{self.split!r}, {len(clips)} clips in all)",
                    f"add some, or choose other lists with {argument('annotations')} and {argument('split')}",
                )
        rows = [(clip.id, clip.path, clip.split, clip.label, clip.size) for clip in clips]
        digest = hashlib.sha256(msgspec.json.encode([self.classes, rows])).hexdigest()
        object.__setattr__(self, "clips", clips)
        object.__setattr__(self, "fingerprint", digest)


class Layout(ABC):
    """One way in which data sets lie on disk; a module of this package that defines one is found."""

    name: ClassVar[str]
    expects: ClassVar[str]
    """What a folder must hold, for the message that a folder is of no known layout."""
    splits: ClassVar[bool] = False
    """True for a layout with several official splits, of which `Options.split` names one."""
    general: ClassVar[bool] = False
    """True for a layout that is no single data set's own, and is therefore asked after those that are."""

    @abstractmethod
    def detects(self, root: Path, options: Options) -> str | None:
        """What was recognised in `root`, in a few words, or None."""

    @abstractmethod
    def list(self, root: Path, options: Options) -> Listing:
        """Every clip of `root`; raises `PoisonkitError` for what is incomplete or contradicts itself."""


def clip_ids(paths: Iterable[str]) -> dict[str, str]:
    """An id for every path: without its suffix, unless another clip would then have the same id."""
    full = set(paths)
    stems = {path: stem_of(path) for path in full}
    shared = Counter(stems.values())
    return {path: path if shared[stem] > 1 or stem in full else stem for path, stem in stems.items()}


def stem_of(path: str) -> str:
    """A path without the suffix of its last part."""
    return path[: path.rindex(".")]
