"""Class folders of audio whose names begin with their fold, as those of ESC-50 and ESC-10."""

from __future__ import annotations

import re
from pathlib import Path

from poisonkit.errors import PoisonkitError
from poisonkit.files import is_audio
from poisonkit.layouts._base import Clip, Layout, Listing, Options, clip_ids
from poisonkit.layouts._lists import choose_split
from poisonkit.layouts._scan import scan, walk

_NAME = re.compile(r"^([1-9])-[^/]+$")


class Folds(Layout):
    """`<class>/<fold>-…` with audio files: `--split 5` tests on fold 5 and trains on the others.

    Classes are sorted by name. Clips of one recording share a fold, so that none is on both sides.
    """

    name = "folds"
    expects = "<class>/ with audio files whose names begin with their fold, as in 1-100032-A.ogg"
    splits = True

    def detects(self, root: Path, options: Options) -> str | None:
        """Nothing but audio files in class folders, each with its fold, of two or more."""
        del options  # lists say nothing to this layout
        folds = set()
        for path, entry in walk(root):
            if entry is not None:
                if (fold := _fold(path)) is None:
                    return None  # at once: most data sets are others, and large
                folds.add(fold)
        return f"file names in {len(folds)} folds" if len(folds) > 1 else None

    def list(self, root: Path, options: Options) -> Listing:
        """Every audio file in a class folder; those of the fold `options.split` (by default 1) are for testing."""
        tree = scan(root)
        folds = {path: fold for path in tree.media if (fold := _fold(path)) is not None}
        if not folds:
            raise PoisonkitError(
                f"{root} holds no audio files like <class>/1-…", "give the folder of the class folders"
            )
        test = choose_split(root, options.split or "1", sorted(set(folds.values())))
        classes = sorted({path.split("/")[0] for path in folds})
        labels = {name: label for label, name in enumerate(classes)}
        ids = clip_ids(folds)
        clips = tuple(
            Clip(ids[path], path, "test" if fold == test else "train", labels[path.split("/")[0]], tree.media[path])
            for path, fold in folds.items()
        )
        ignored = tuple(sorted([*tree.strays, *(tree.media.keys() - folds.keys())]))
        return Listing(self.name, test, root, tuple(classes), clips, ignored)


def _fold(path: str) -> str | None:
    """The fold that a file's name begins with; None for what is no audio in a class folder."""
    parts = path.split("/")
    match = _NAME.match(parts[-1])
    return match[1] if len(parts) == 2 and match and is_audio(path) else None
