"""Class folders, below `train/` and `test/` or without them: then the seed splits them, group by group."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from poisonkit.errors import PoisonkitError
from poisonkit.layouts._base import Clip, Layout, Listing, Options, clip_ids
from poisonkit.layouts._scan import folders, scan
from poisonkit.layouts._split import draw_test, seeded

TRAIN = ("train", "training")
TEST = ("test", "testing", "val", "validation", "valid")  # the first that is there is taken


class Folder(Layout):
    """`train/<class>/…` and `test/<class>/…`, or `<class>/…`, of video or audio; class folders may nest.

    Classes are sorted by name. Without `train/` the seed splits: stratified by class, and clips whose names
    show the same group (UCF's `_g07_`, ESC's recording, a YouTube id), or differ in their suffix alone, stay
    on the same side, whatever their class.
    """

    name = "folder"
    expects = "train/<class>/ and test/<class>/, or <class>/ with media files"
    general = True

    def detects(self, root: Path, options: Options) -> str | None:
        """Folders that hold media files."""
        del options  # lists say nothing to this layout
        media = scan(root).media
        parts = _parts(root, media)
        if parts is not None:
            return f"class folders in {parts[0]}/ and {parts[1]}/"
        classes = {path.split("/")[0] for path in media if "/" in path}
        lists = root.resolve().parent / "ucfTrainTestlist"
        beside = f"; give {root.resolve().parent} for the official split beside it" if lists.is_dir() else ""
        return f"{len(classes)} class folders{beside}" if classes else None

    def list(self, root: Path, options: Options) -> Listing:
        """Every media file that lies in a class folder."""
        tree = scan(root)
        parts = _parts(root, tree.media)
        depth = 1 if parts is None else 2
        wanted = {p for p in tree.media if p.count("/") >= depth}
        if parts is not None:
            wanted = {p for p in wanted if p.split("/")[0] in parts}
        classes = sorted({path.split("/")[depth - 1] for path in wanted})
        _check_classes(root, classes, wanted, parts)
        ids = clip_ids(wanted)
        label = {name: number for number, name in enumerate(classes)}
        labels = {path: label[path.split("/")[depth - 1]] for path in wanted}
        if parts is None:
            test = draw_test(labels, options)
            split = seeded(options)
        else:
            test = {path for path in wanted if path.split("/")[0] == parts[1]}
            split = "/".join(parts)
        clips = [Clip(ids[p], p, "test" if p in test else "train", labels[p], tree.media[p]) for p in wanted]
        ignored = sorted([*tree.strays, *(tree.media.keys() - wanted)])
        return Listing(self.name, split, root, tuple(classes), tuple(clips), tuple(ignored))


def _parts(root: Path, media: Iterable[str]) -> tuple[str, str] | None:
    """The names of the train and the test folder; they count only where they hold class folders with media.

    ("train" may be a class: a folder of that name with clips right in it is one.)
    """
    nested = {path.split("/")[0] for path in media if path.count("/") >= 2}
    named = {name.lower(): name for name in folders(root) if name in nested}
    train = next((named[name] for name in TRAIN if name in named), None)
    test = next((named[name] for name in TEST if name in named), None)
    return None if train is None or test is None else (train, test)


def _nested(name: str, paths: Iterable[str]) -> bool:
    """Whether a folder holds class folders with media rather than clips alone."""
    return any(path.startswith(name + "/") and path.count("/") >= 2 for path in paths)


def _check_classes(root: Path, classes: list[str], wanted: set[str], parts: tuple[str, str] | None) -> None:
    if len(classes) < 2:
        what = f"only one class folder, {classes[0]!r}," if classes else "no class folder with media files"
        remedy = "give the folder whose folders are the classes"
        if classes and classes[0].lower() in TRAIN:
            remedy = "put test/<class>/ beside it, or give that folder itself and the seed will split it"
        raise PoisonkitError(f"{root} holds {what} where at least two are needed", remedy)
    if parts is None:
        lone = next((name for name in classes if name.lower() in TRAIN and _nested(name, wanted)), None)
        if lone is not None:
            raise PoisonkitError(
                f"{root} holds {lone}/<class>/ but no folder of test clips",
                f"expected is one of {', '.join(TEST)} "
                f"beside it: rename yours, or give {root / lone} itself and the seed will split it",
            )
    if parts is not None:
        known = {path.split("/")[1] for path in wanted if path.startswith(parts[0] + "/")}
        unknown = [name for name in classes if name not in known]
        if unknown:
            raise PoisonkitError(
                f"the class {unknown[0]!r} of {root / parts[1]} has no clips in {parts[0]}/ "
                f"({len(unknown)} such classes)",
                f"add some, or take it out of {parts[1]}/",
            )
