"""Plots: what a result looks like, as files for documents and as inline SVG for pages.

Matplotlib draws them. Inline, everything that is not data takes the colour of the page's text, so that one drawing
suits light and dark pages. Colours are Okabe and Ito's, which the colour-blind tell apart; lines differ in dashes too.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from trainer import files
from trainer.proportion import Proportion

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
DASHES = ("-", "--", "-.", ":")
INK = "#1b1b1f"
"""The colour of text and axes; inline it becomes that of the page's text."""

STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "text.parse_math": False,  # names of data sets may hold dollars
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and copied
    "svg.hashsalt": "trainer",  # the same drawing gives the same file
}


@dataclass(frozen=True)
class Line:
    """A curve through points, with a band from `lows` to `highs` where given; equal colours belong together."""

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    lows: Sequence[float] | None = None
    highs: Sequence[float] | None = None
    colour: int = 0
    dash: int = 0

    @classmethod
    def through(cls, label: str, points: Iterable[tuple[float, Proportion | None]], number: int) -> Self:
        """A curve with its intervals, missing proportions left out; `number` picks colour and dash."""
        known = [(x, proportion) for x, proportion in points if proportion is not None]
        return cls(
            label,
            [x for x, _ in known],
            [proportion.value for _, proportion in known],
            [proportion.low for _, proportion in known],
            [proportion.high for _, proportion in known],
            colour=number,
            dash=number,
        )


def sheet(columns: int = 1, rows: int = 1, width: float = 5.2, height: float = 3.0) -> tuple[Figure, list[Axes]]:
    """An empty figure of `rows` × `columns` plots, each `width` × `height` inches, row by row."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
        return figure, list(np.atleast_1d(figure.subplots(rows, columns)).flat)


def curves(axes: Axes, lines: Sequence[Line], x: str, y: str, title: str = "", proportions: bool = True) -> None:
    """Draw curves; `proportions`: the y axis is a proportion, from 0 to 1."""
    for line in lines:
        colour = COLOURS[line.colour % len(COLOURS)]
        style = DASHES[line.dash % len(DASHES)]
        axes.plot(line.xs, line.ys, style, color=colour, label=line.label, marker="o", markersize=3, linewidth=1.5)
        if line.lows is not None and line.highs is not None:
            axes.fill_between(line.xs, line.lows, line.highs, color=colour, alpha=0.15, linewidth=0)
    _finish(axes, x, y, title)
    if proportions:
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    if len(lines) > 1:
        _legend(axes)


def histogram(
    axes: Axes, groups: Mapping[str, Sequence[float]], x: str, threshold: float | None = None, title: str = ""
) -> None:
    """Draw the proportions of several groups over the same bins, and a threshold as an upright line."""
    every = np.concatenate([np.asarray(values, dtype=float) for values in groups.values()])
    bins = np.linspace(every.min(), max(every.max(), every.min() + 1e-9), 31)
    for k, (label, values) in enumerate(groups.items()):
        weights = np.full(len(values), 1 / max(len(values), 1))
        axes.hist(values, bins=list(bins), weights=weights, alpha=0.55, color=COLOURS[k % len(COLOURS)], label=label)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linestyle="--", linewidth=1, label="threshold")
    _finish(axes, x, "fraction of clips", title)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _legend(axes)


def bars(axes: Axes, proportions: Mapping[str, Proportion | None], x: str, title: str = "") -> None:
    """Draw one bar a name with its interval, the first on top; names without a proportion are left out."""
    found = {name: proportion for name, proportion in proportions.items() if proportion is not None}
    places = np.arange(len(found))
    values = [proportion.value for proportion in found.values()]
    below = [proportion.value - proportion.low for proportion in found.values()]
    above = [proportion.high - proportion.value for proportion in found.values()]
    axes.barh(places, values, color=COLOURS[0], alpha=0.7, height=0.7)
    axes.errorbar(values, places, xerr=np.maximum([below, above], 0), fmt="none", ecolor=INK, elinewidth=1, capsize=2)
    axes.set_yticks(places, list(found))
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    _finish(axes, x, "", title)


def save(figure: Figure, path: Path) -> None:
    """Write a figure on white as `.svg` or `.png`, atomically; the same figure gives the same bytes."""
    files.write(path, _drawn(figure, path.suffix.removeprefix("."), facecolor="white"))


def inline(figure: Figure, label: str) -> str:
    """A figure as an `<svg>` element without background.

    `label` says in words what it shows, and of what: with another label, an equal drawing has ids of its own.
    """
    text = _drawn(figure, "svg", transparent=True).decode()
    text = text[text.index("<svg") :].replace(INK, "currentColor")
    # ids are unique within one drawing alone; a page holds many
    prefix = f"p{hashlib.blake2b((label + text).encode(), digest_size=4).hexdigest()}-"
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{prefix}", text)
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(label)}"', 1)


def _drawn(figure: Figure, kind: str, **options: Any) -> bytes:
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "Glyph .* missing"
        )  # names may be in any script, which SVG leaves to the page
        drawn = io.BytesIO()
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(drawn, format=kind, dpi=150, metadata=metadata, **options)
        return drawn.getvalue()


def _finish(axes: Axes, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    if title:
        axes.set_title(title, loc="left")


def _legend(axes: Axes) -> None:
    with mpl.rc_context(STYLE):
        axes.legend(fontsize=8)
