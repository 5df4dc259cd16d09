"""The one family of exceptions that the command line turns into a plain sentence and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from poisonkit.text import ExplainedError

_FEW = 12
"""Known names that are shown of many."""
_HIDDEN = 4
"""So many must be left out at least: one or two are soon said."""


class PoisonkitError(ExplainedError):
    """What the command line shows as one sentence; see `text.ExplainedError`."""


class BrokenClip(PoisonkitError):
    """One media file cannot be used; `skip_broken` goes on without it."""


class ManifestError(PoisonkitError):
    """A manifest cannot be read, or claims what cannot be."""


def suggest(value: str, known: Iterable[str]) -> str:
    """A remedy for an unknown name: the nearest known one, and all of them if they are few."""
    names = sorted(known)
    near = difflib.get_close_matches(value.lower(), names, n=1, cutoff=0.5)
    if not near:  # names of classes keep their case
        near = [n for n in names if n.lower() == value.lower()] or difflib.get_close_matches(value, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    cut = len(names) >= _FEW + _HIDDEN
    shown = ", ".join(names[:_FEW] if cut else names) + (f", … ({len(names)} in all)" if cut else "")
    return f"{hint}known: {shown}"
