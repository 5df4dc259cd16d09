"""Data set layouts: a folder becomes clips with labels and splits.

A new layout is one new module of this package with one `Layout` in it: it is found, with no list to edit.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from dataclasses import replace
from pathlib import Path

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.layouts._base import Clip, Layout, Listing, Options
from poisonkit.layouts._classes import class_names, restrict
from poisonkit.layouts._marks import refuse_marked, refuse_tagged
from poisonkit.layouts._scan import folders
from poisonkit.text import argument

__all__ = ["LAYOUTS", "Clip", "Layout", "Listing", "Options", "class_names", "read"]


def _discover() -> dict[str, Layout]:
    found: dict[str, Layout] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        for member in members:
            if not inspect.isclass(member) or not issubclass(member, Layout) or inspect.isabstract(member):
                continue
            if member.__module__ != f"{__name__}.{module.name}":
                continue
            if member.name in found:
                raise ImportError(f"two layouts are called {member.name!r}")
            found[member.name] = member()
    # a layout that fits almost any folder must not keep the others from being asked
    return dict(sorted(found.items(), key=lambda item: (item[1].general, item[0])))


LAYOUTS: dict[str, Layout] = _discover()
"""Every layout by its name, in the order in which `auto` asks them."""


def read(root: Path, layout: str = "auto", options: Options = Options()) -> Listing:  # noqa: B008 (frozen)
    """List the data set in `root`, whose layout is named or recognised (`auto`).

    `Listing.detected` says what was recognised; `options.classes` restricts the listing to some classes. Raises
    `PoisonkitError` with a remedy for a folder that is missing, empty or of no known layout, for one that is a poisoned
    copy or a part of one, for whatever the layout finds wrong with it, and for classes that it lacks.
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise PoisonkitError(f"unknown layout {layout!r}", suggest(layout, ["auto", *LAYOUTS]))
    _check_folder(root, options)
    chosen, reason = (LAYOUTS[layout], "layout given by name") if layout != "auto" else _detect(root, options)
    if not chosen.splits and options.split not in (None, "1"):
        raise PoisonkitError(
            f"{root} is of layout {chosen.name!r} ({reason}), which has no split {options.split!r}",
            f"leave {argument('split')} out, or give the folder that holds the official lists",
        )
    listing = chosen.list(root, options)
    refuse_tagged(listing)
    listing = replace(listing, detected=listing.detected or reason)
    return listing if options.classes is None else restrict(listing, options.classes)


def _detect(root: Path, options: Options) -> tuple[Layout, str]:
    for candidate in LAYOUTS.values():
        reason = candidate.detects(root, options)
        if reason is not None:
            return candidate, reason
    raise PoisonkitError(f"{root} has no known layout: it holds {_seen(root)}", _expected())


def _check_folder(root: Path, options: Options) -> None:
    for folder, meant in ((root, "data set"), (options.annotations, f"lists ({argument('annotations')})")):
        if folder is None:
            continue
        if not folder.exists():
            raise PoisonkitError(f"there is no folder {folder}", f"give the folder of the {meant}")
        if not folder.is_dir():
            raise PoisonkitError(f"{folder} is a file", f"give the folder of the {meant}")
    folders(root)  # says so when it cannot be read
    refuse_marked(root)
    if next(root.iterdir(), None) is None:
        raise PoisonkitError(f"the folder {root} is empty", "give the folder of the data set")


def _seen(root: Path) -> str:
    inside = folders(root)
    files = sorted(path.name for path in root.iterdir() if not path.is_dir())
    counts = [f"{len(names)} {noun}" for names, noun in ((inside, "folders"), (files, "files")) if names]
    names = [*(name + "/" for name in inside), *files]
    return f"{' and '.join(counts)} ({', '.join(names[:6])}{', …' if len(names) > 6 else ''})"


def _expected() -> str:
    return "expected is " + ", or ".join(f"{layout.expects} ({name})" for name, layout in LAYOUTS.items())
