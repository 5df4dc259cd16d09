"""Progress on stderr: bars in a terminal, a few lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from trainer.text import as_options, shown

LINES = 10
"""How many lines a stage writes where there is no terminal."""


class Progress:
    """Shows how far a stage has come; `note` is a short figure such as the loss."""

    def __init__(self) -> None:
        self.console = Console(stderr=True, highlight=False)

    def say(self, text: str) -> None:
        """One line that stays."""
        self.console.print(shown(as_options(text)), markup=False, soft_wrap=True)

    @contextmanager
    def stage(self, title: str, total: int, unit: str = "clips") -> Iterator[Callable[..., None]]:
        """Gives a function to call after each of `total` steps, from any thread."""
        if not self.console.is_terminal:
            yield _Lines(self, title, total, unit).step
            return
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        times = (TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}", markup=False))
        with Bars(*columns, *times, console=self.console, transient=True) as bars:
            task = bars.add_task(title, total=total, note="")

            def step(note: str = "", done: int = 1) -> None:
                bars.update(task, advance=done, note=note)

            yield step


class _Lines:
    """The same without a terminal."""

    def __init__(self, progress: Progress, title: str, total: int, unit: str) -> None:
        self.progress, self.title, self.total, self.unit, self.done = progress, title, total, unit, 0

    def step(self, note: str = "", done: int = 1) -> None:
        before, self.done = self.done * LINES // max(self.total, 1), self.done + done
        if self.done * LINES // max(self.total, 1) > before:
            self.progress.say(f"{self.title}: {self.done}/{self.total} {self.unit} {note}".rstrip())
