"""The one family of exceptions that the command line turns into a plain sentence and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from trainer.text import ExplainedError


class TrainerError(ExplainedError):
    """What the command line shows as one sentence; see `text.ExplainedError`."""


class ClipError(TrainerError):
    """A media file is missing, broken, or not what the manifest says."""


class ManifestError(TrainerError):
    """A manifest cannot be read, or claims what cannot be."""


class ManifestGoneError(ManifestError):
    """A manifest is no longer where it was."""


class RunError(TrainerError):
    """A run folder cannot be used as asked."""


def suggest(value: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, and all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(value, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(names)}"
