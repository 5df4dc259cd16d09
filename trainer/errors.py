"""The one family of exceptions that the command line turns into a plain sentence and exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from trainer.text import as_arguments, as_options


class TrainerError(Exception):
    """A mistake that its user can mend: `fact` says what was wrong with which value, `remedy` what to do next.

    Arguments are named by `text.argument`; `str` words them as Python has them, `on_command_line` as options.
    """

    def __init__(self, fact: str, remedy: str = "") -> None:
        super().__init__(fact, remedy)
        self.fact, self.remedy = fact, remedy

    @property
    def message(self) -> str:
        """Both as one sentence whose arguments are not worded yet, for another message to hold."""
        return f"{self.fact}; {self.remedy}" if self.remedy else self.fact

    def __str__(self) -> str:
        return as_arguments(self.message)

    def on_command_line(self) -> str:
        """The sentence for someone who typed a command."""
        return as_options(self.message)


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
