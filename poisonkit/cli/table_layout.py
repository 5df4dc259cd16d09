"""Tables for people: how they look, and how they fit a narrow screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from poisonkit.text import as_options, shown


def plain(text: str, style: str = "") -> Text:
    """A cell or a title of a table, no word of which is markup."""
    return Text(shown(as_options(text)), style=style)


class _Fitting(Table):
    """A table in which no number is ever broken: a narrow screen breaks its heads, or turns rows into columns."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        def width(made: Table) -> int:
            return made.__rich_measure__(console, options.update(max_width=10_000)).maximum

        if width(self) <= options.max_width:
            yield from super().__rich_console__(console, options)
            return
        heads = [str(column.header) for column in self.columns]
        cells = [list(column.cells) for column in self.columns]
        right = [column.justify == "right" for column in self.columns]
        broken = Table(**_look(self.title))
        for head, number in zip(heads, right, strict=True):
            _column(broken, head.replace(" ", "\n").replace("≥\n", "≥ "), number)
        for row in zip(*cells, strict=True):
            broken.add_row(*row)
        turned = Table(**_look(self.title))
        for k, head in enumerate([heads[0], *map(str, cells[0])]):
            turned.add_column(head, justify="right" if k else "left", overflow="fold")
        for head, values in zip(heads[1:], cells[1:], strict=True):
            turned.add_row(head, *values)
        yield broken if width(broken) <= max(options.max_width, width(turned) - 1) else turned


def _look(title: Any) -> dict[str, Any]:
    return {"title": title, "title_justify": "left", "header_style": "bold", "box": None, "pad_edge": False}


def _column(made: Table, head: str, number: bool) -> None:
    made.add_column(head, justify="right" if number else "left", overflow="fold", no_wrap=number)


def table(title: str, *columns: str, numbers: Sequence[str] = ()) -> Table:
    """A plain table; `numbers` are right-aligned columns."""
    made = (_Fitting if numbers else Table)(**_look(plain(title, "bold")))
    for column in columns:
        _column(made, column, column in numbers)
    return made


def facts(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    """Names and values."""
    made = Table(**_look(plain(title, "bold")), show_header=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(plain(name), plain(value))
    return made


def size(count: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"
