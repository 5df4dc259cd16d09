"""A table of words, as text for a terminal, as Markdown, and as a page."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer import files
from trainer.errors import RunError
from trainer.evaluation.compare import Difference
from trainer.proportion import Proportion
from trainer.table_layout import plain

LONGEST = 21
"""A word that a terminal shows whole; longer ones, such as a path, are cut where the line ends."""

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 100rem; margin: 2rem auto; padding: 0 1rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .35rem .9rem .35rem 0; border-bottom: 1px solid #8886; }
"""


@dataclass(frozen=True)
class Sheet:
    """Rows of cells under headings; `brief`: the columns that a terminal shows; notes stand below."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    brief: Sequence[int] = field(default_factory=tuple)

    def markdown(self) -> str:
        """A heading, the table, and the notes."""
        lines = [f"### {self.title}", ""]
        lines += [_line(self.headings), _line(["---"] * len(self.headings)), *map(_line, self.rows)]
        lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines).rstrip() + "\n"

    def html(self) -> str:
        """A page that needs nothing else; every word is escaped."""
        head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in self.headings)
        body = "".join(
            "<tr>"
            + "".join(
                f'<th scope="row">{html.escape(cell)}</th>' if k == 0 else f"<td>{html.escape(cell)}</td>"
                for k, cell in enumerate(row)
            )
            + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes)
        title = html.escape(self.title)
        return (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{title}</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>"
            f'<div class="scroll" role="region" aria-label="{title}" tabindex="0"><table><caption>{title}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div><ul>{notes}</ul></main></body></html>\n"
        )

    def write(self, path: Path) -> None:
        """Write Markdown or a page, as the file's suffix says; raises `RunError` for another."""
        kinds = {".md": self.markdown, ".html": self.html}
        if path.suffix not in kinds:
            raise RunError(f"a table cannot be written as {path.name!r}", "give a name that ends in .md or .html")
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, kinds[path.suffix]().encode())

    def show(self) -> None:
        """Print the brief columns, intervals below their proportions and without counts, within 80 characters."""
        table = Table(
            title=plain(self.title, "table.title"), title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0)
        )
        chosen = list(self.brief or range(len(self.headings)))
        for k in chosen:
            lines = [line for row in self.rows for line in _brief(row[k])]
            # a name that is cut in two cannot be searched for, nor a number read: only cells of several words give way
            words = [len(word) for text in (*lines, self.headings[k]) for word in text.split()]
            longest = max((len(line) for line in lines), default=1)
            heading = "\n".join(textwrap.wrap(self.headings[k], max(longest, *words)))
            whole = all(" " not in line and len(line) <= LONGEST for line in lines)
            table.add_column(heading, overflow="fold", no_wrap=whole, min_width=min(max(words), LONGEST))
        for row in self.rows:
            table.add_row(*(Text("\n").join(map(plain, _brief(row[k]))) for k in chosen))
        console = Console(highlight=False)
        console.print(table)
        for note in self.notes:
            console.print(plain(f"- {note}"))
        left_out = [name for k, name in enumerate(self.headings) if k not in chosen]
        if left_out:
            console.print(plain(f"- not shown here: {', '.join(left_out)}; a file with the table has every column"))


def _brief(cell: str) -> list[str]:
    """A cell's lines: its interval stands below, in whole percent and without the count."""
    match = re.fullmatch(r"(\S+) \((\S+) … ([^,)]+).*\)", cell)
    if match is None:
        return [cell]
    low, high = (f"{float(end.replace('−', '-')):.0f}".replace("-", "−") for end in match.groups()[1:])
    return [match[1], f"{low}…{high}"]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def percent(proportion: Proportion | None) -> str:
    """A proportion with interval and count, in percent."""
    if proportion is None:
        return "–"
    return f"{100 * proportion.value:.1f} ({100 * proportion.low:.1f} … {100 * proportion.high:.1f}, n {proportion.n})"


def value(proportion: Proportion | None) -> str:
    """A proportion alone, in percent."""
    return "–" if proportion is None else f"{100 * proportion.value:.1f}"


def points(difference: Difference | None) -> str:
    """A difference with its interval, in percentage points."""
    if difference is None:
        return "–"
    low, high = signed(100 * difference.low), signed(100 * difference.high)
    return f"{signed(100 * difference.value)} ({low} … {high})"


def signed(number: float | None) -> str:
    """One decimal and a sign."""
    return "–" if number is None else f"{number:+.1f}".replace("-", "−")


def printed(number: float | None) -> str:
    """A number as the paper prints it."""
    return "–" if number is None else f"{number:.2f}"
