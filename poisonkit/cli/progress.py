"""Progress on the screen: a bar with clips/s and the time left."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from poisonkit.text import as_options, shown


class _ClipsPerSecond(ProgressColumn):
    """Clips done, and clips per second since the step began."""

    def render(self, task: Task) -> Text:
        done, clips = task.fields["done"], task.fields["clips"]
        speed = done / task.elapsed if task.elapsed else 0.0
        return Text(f"{done}/{clips} clips, {speed:.1f}/s")


class Screen:
    """A bar for each step; implements `run.Reporter`."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._task: object = None

    def say(self, text: str) -> None:
        self._console.print(shown(as_options(text)), markup=False, highlight=False)

    def begin(self, title: str, total: float, clips: int) -> None:
        self.end()
        columns = (
            TextColumn("{task.description:>16}", markup=False),
            BarColumn(),
            _ClipsPerSecond(),
            TimeRemainingColumn(),
        )
        self._progress = Progress(*columns, console=self._console)
        self._progress.start()
        self._task = self._progress.add_task(title, total=max(total, 1), clips=clips, done=0)

    def advance(self, work: float) -> None:
        if self._progress is not None:
            task = self._progress.tasks[0]
            self._progress.update(task.id, advance=work, done=task.fields["done"] + 1)

    def end(self) -> None:
        """Leave the last bar on the screen."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
