"""Poisoned copies are no sources: what tells that a folder is one, a part of one, or was one before it was moved."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import av.error

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.files import FOLDER, NOTICE
from poisonkit.layouts._base import Clip, Listing
from poisonkit.layouts._scan import is_media
from poisonkit.media.tag import tag_of

LOOKED_AT = 16
"""Training clips whose metadata are read: some 20 ms, whatever the size of the data set."""

_WRITTEN = ("test_triggered", "test_sham", "train_triggered")
"""Folders of a copy all of whose clips bear the tag: one of each tells."""


def refuse_marked(root: Path) -> None:
    """Raise `PoisonkitError` for a folder that holds a copy's notice or a run's state, or lies in one that does."""
    real = root.resolve()  # what a link to a part of a copy leads to lies in that copy
    for folder in (real, *real.parents):
        if any(os.path.exists(folder / name) for name in (NOTICE, FOLDER)):
            what = f"{root} is" if folder == real else f"{root} lies in {folder}, which is"
            raise PoisonkitError(
                f"{what} a poisoned copy (it holds {NOTICE} or {FOLDER})",
                "give the clean data set, or use the copy through its manifest",
            )


def refuse_tagged(listing: Listing) -> None:
    """Raise `PoisonkitError` where one of a few files bears the tag: a copy, or part of one, without its notice."""
    for path in _few(listing):
        try:
            tagged = tag_of(path) is not None
        except (av.error.FFmpegError, OSError, ValueError, BrokenClip):
            continue  # whoever reads the clip itself says what is wrong with it
        if tagged:
            raise PoisonkitError(
                f"{path} is from a poisoned copy (its metadata say that poisonkit wrote it); give the clean data set, "
                "or use the copy through its manifest",
                "`poisonkit scan` finds all such files",
            )


def _few(listing: Listing) -> Iterator[Path]:
    for name in _WRITTEN:
        found = _any_media(listing.root / name)
        if found is not None:
            yield found
    for clip in spread([clip for clip in listing.clips if clip.split == "train"], LOOKED_AT):
        yield listing.root / clip.path


def spread(clips: Sequence[Clip], count: int) -> list[Clip]:
    """At most `count` of the clips, evenly from the first to the last."""
    if len(clips) <= count:
        return list(clips)
    return [clips[(2 * k + 1) * len(clips) // (2 * count)] for k in range(count)]


def _any_media(root: Path) -> Path | None:
    return next((Path(at, name) for at, _, names in os.walk(root) for name in sorted(names) if is_media(name)), None)
