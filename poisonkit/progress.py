"""Whoever shows a person what goes on."""

from __future__ import annotations

from typing import Protocol


class Reporter(Protocol):
    """Whoever shows a person what goes on."""

    def say(self, text: str) -> None:
        """One line about a step."""

    def begin(self, title: str, total: float, clips: int) -> None:
        """A step with `total` units of work on `clips` clips begins."""

    def advance(self, work: float) -> None:
        """One clip is done, which was `work` units."""
