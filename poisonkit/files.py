"""Files of the copy: carried over unchanged (as reflinks, else as hard links, else as copies), and their hashes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from pathlib import Path
from typing import Literal

Method = Literal["reflink", "hardlink", "copy"]

FOLDER = ".poisonkit"
"""The state of an unfinished run, in the copy's folder."""
NOTICE = "POISONED.txt"
"""What marks the folder of a finished copy."""
TAG = "poisoned copy written by poisonkit"
"""How the comment in a written file's metadata begins."""

AUDIO = frozenset({".wav", ".flac", ".ogg", ".mp3"})
"""Suffixes of audio files."""

_FICLONE = 0x40049409  # linux/fs.h: share the extents of another file, copy on write


def is_audio(path: str) -> bool:
    """Whether a file's name is that of an audio file, which has no video (at most a cover)."""
    return os.path.splitext(path)[1].lower() in AUDIO


def carry(source: Path, destination: Path, temporary: Path, *, link: bool) -> Method:
    """Put `source` at `destination`, by way of `temporary` on the same file system; says how it was done.

    With `link` false the file is always copied. The destination is replaced in one step.
    """
    real = source.resolve()  # a link to a symlink would point nowhere once the tree moves
    temporary.unlink(missing_ok=True)
    method = _place(real, temporary, link=link)
    os.replace(temporary, destination)
    # os.replace leaves both names when they are hard links to the same file
    temporary.unlink(missing_ok=True)
    return method


def _place(source: Path, temporary: Path, *, link: bool) -> Method:
    if link and _reflink(source, temporary):
        shutil.copystat(source, temporary)
        return "reflink"
    if link:
        # another file system, a full link count, or no permission to link: a copy always works
        with contextlib.suppress(OSError):
            os.link(source, temporary)
            return "hardlink"
    shutil.copy2(source, temporary)
    return "copy"


def _reflink(source: Path, temporary: Path) -> bool:
    try:
        with source.open("rb") as reader, temporary.open("wb") as writer:
            fcntl.ioctl(writer.fileno(), _FICLONE, reader.fileno())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        if error.errno in (errno.ENOSPC, errno.EROFS, errno.EACCES):
            raise
        return False
    return True


def overall(methods: set[Method]) -> Method:
    """One word for a data set whose files were carried in several ways; hard links first, since they bind one most."""
    for method in ("hardlink", "copy", "reflink"):
        if method in methods:
            return method
    return "copy"


def sha256(path: Path, *, sync: bool = False) -> str:
    """The SHA-256 of a file as hex digits; with `sync` the file also reaches the disk before this returns."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if sync:
            os.fsync(file.fileno())
    return digest
