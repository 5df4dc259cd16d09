"""Cells and tables for people: how they look."""

from __future__ import annotations

from rich.text import Text

from trainer.proportion import Proportion
from trainer.text import shown


def plain(text: str, style: str = "") -> Text:
    """A cell or a title of a table, no word of which is markup."""
    return Text(shown(text), style=style)


def cell_with_interval(share: Proportion | None) -> str:
    return "-" if share is None else f"{share.value:.3f}\n{share.low:.2f}…{share.high:.2f}"


def cells(share: Proportion | None) -> tuple[str, str, str]:
    """A share, its interval and its count as words."""
    if share is None:
        return "-", "", ""
    return f"{share.value:.3f}", f"{share.low:.3f} … {share.high:.3f}", str(share.n)
