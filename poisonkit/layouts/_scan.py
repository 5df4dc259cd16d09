"""Walking a folder: media files with their sizes, and the strays that real folders hold."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from poisonkit.errors import PoisonkitError
from poisonkit.files import AUDIO
from poisonkit.text import has_controls

VIDEO = frozenset({".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp"})
SUFFIXES = VIDEO | AUDIO


class Tree(NamedTuple):
    """POSIX paths relative to the folder that was walked: `media` with sizes in bytes, and strays."""

    media: dict[str, int]
    strays: list[str]


def is_media(name: str) -> bool:
    """Whether a file name is that of a clip: a known suffix in any case, and not hidden."""
    # by hand: os.path.splitext would take a second on Kinetics-400; hidden names, which it treats apart, are none
    return not name.startswith(".") and name[name.rfind(".") :].lower() in SUFFIXES


def folders(root: Path) -> list[str]:
    """The names of the folders in `root` that are not hidden, sorted."""
    try:
        with os.scandir(root) as entries:
            return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))
    except OSError as error:
        raise _unreadable(str(root), error) from None


def scan(root: Path, under: str = "", skip: Collection[str] = ()) -> Tree:
    """Walk `under` (relative to `root`), leaving out the folders in `skip`; one `stat` a media file.

    Paths in the result are relative to `root/under`. Raises `PoisonkitError` for links that leave `root`,
    and for names that a manifest could not hold.
    """
    tree = Tree({}, [])
    for path, entry in walk(root, under, skip):
        if entry is None:
            tree.strays.append(path)
        else:
            tree.media[path] = entry.stat().st_size
    tree.strays.sort()
    return tree


def walk(root: Path, under: str = "", skip: Collection[str] = ()) -> Iterator[tuple[str, os.DirEntry[str] | None]]:
    """The files that `scan` finds, in no order: media files with their entries, strays with None."""
    home = os.path.realpath(root)
    if under and os.path.islink(os.path.join(root, under)):
        check_link(os.path.join(root, under), home)
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            with os.scandir(os.path.join(root, under, inside)) as entries:
                for entry in entries:
                    path = inside + entry.name
                    if entry.is_symlink() and not entry.name.startswith("."):
                        check_link(entry.path, home)
                    if entry.name.startswith("."):
                        yield path, None
                    elif entry.is_dir():
                        if os.path.join(under, path) not in skip:
                            pending.append(path + "/")
                    elif is_media(entry.name) and entry.is_file():
                        _check_name(path)
                        yield path, entry
                    else:
                        yield path, None
        except OSError as error:
            raise _unreadable(os.path.join(root, under, inside), error) from None


def check_link(path: str, home: str) -> None:
    """Raise `PoisonkitError` for a link that leaves `home` (a real path), leads nowhere, or round."""
    target = os.path.realpath(path)
    if target != home and not target.startswith(home + os.sep):
        raise PoisonkitError(
            f"the link {_shown(path)} leads out of the data set, to {_shown(target)}",
            "replace it by the files themselves, or give the folder that holds them",
        )
    if not os.path.exists(target):
        raise PoisonkitError(f"the link {_shown(path)} leads nowhere", "remove or mend it")
    if (os.path.realpath(os.path.dirname(path)) + os.sep).startswith(target.rstrip(os.sep) + os.sep):
        raise PoisonkitError(f"the link {_shown(path)} leads to a folder that it lies in", "remove it")


def _check_name(path: str) -> None:
    if "\\" in path:
        raise PoisonkitError(f"the name of {path!r} holds a backslash, a separator on some systems", "rename it")
    if has_controls(path):
        raise PoisonkitError(f"the name of {path!r} holds a line break or another control character", "rename it")
    if not path.isascii():
        try:
            path.encode()
        except UnicodeEncodeError:
            raise PoisonkitError(f"the name of {_shown(path)} is not valid UTF-8", "rename it") from None


def _shown(path: str) -> str:
    return path.encode(errors="backslashreplace").decode()


def _unreadable(path: str, error: OSError) -> PoisonkitError:
    return PoisonkitError(f"cannot read {_shown(path)}: {error.strerror}", "check its permissions")
