"""Cells and tables for people: how they look."""

from __future__ import annotations

from rich.text import Text

from trainer.proportion import Proportion
from trainer.text import shown


def plain(text: str, style: str = "") -> Text:
    """A cell or a title of a table, no word of which is markup."""
    return Text(shown(text), style=style)


def cell_with_interval(proportion: Proportion | None) -> str:
    return "-" if proportion is None else f"{proportion.value:.3f}\n{proportion.low:.2f}…{proportion.high:.2f}"


def cells(proportion: Proportion | None) -> tuple[str, str, str]:
    """A proportion, its interval and its count as words."""
    if proportion is None:
        return "-", "", ""
    return f"{proportion.value:.3f}", f"{proportion.low:.3f} … {proportion.high:.3f}", str(proportion.n)
