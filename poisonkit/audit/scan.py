"""Finding poisoned copies: every written file says in its metadata that it is one, wherever it was moved."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av.error

from poisonkit.errors import PoisonkitError
from poisonkit.files import NOTICE
from poisonkit.layouts._scan import is_media
from poisonkit.media.tag import tag_of


@dataclass(frozen=True)
class Finding:
    """A tagged file with its tag, or the notice of a poisoned copy's folder."""

    path: Path
    tag: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds: findings, media files looked at, and those that could not be opened."""

    found: list[Finding]
    files: int
    unreadable: list[Path]


def scan(root: Path, advance: Callable[[], None] = lambda: None) -> Scan:
    """Look for poisoned copies under `root`; only headers are read. Links are not followed."""
    if not root.is_dir():
        raise PoisonkitError(f"there is no folder {root}", "give the folder to look through")
    found, unreadable, files = [], [], 0
    for path in _walk(root):
        if path.name == NOTICE:
            found.append(Finding(path, "the notice of a poisoned copy: its unchanged files bear no tag of their own"))
            continue
        files += 1
        try:
            tag = tag_of(path)
        except (av.error.FFmpegError, OSError, ValueError):
            unreadable.append(path)
        else:
            if tag is not None:
                found.append(Finding(path, tag))
        advance()
    return Scan(found, files, unreadable)


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if (name == NOTICE or is_media(name)) and not path.is_symlink():
                yield path
