"""Plots: names as they are, the same bytes for the same figure, and drawings that fit into a page."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from trainer import plots
from trainer.proportion import Proportion

NAME = 'Brush_$x_1$ <b> & "quoted"'


def figure() -> plots.Figure:
    drawing, axes = plots.sheet(columns=3)
    plots.curves(axes[0], [plots.Line(NAME, [0, 1], [0.2, 0.4], [0.1, 0.3], [0.3, 0.5])], "pruned", "share")
    plots.histogram(axes[1], {"clean": [1.0, 2.0, 2.0], NAME: [0.0, 0.0]}, "entropy", threshold=0.5)
    plots.bars(axes[2], {NAME: Proportion(0.5, 4, 0.1, 0.9), "untested": None}, "accuracy")
    return drawing


def words(svg: str) -> set[str]:
    return {"".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_names_are_drawn_as_they_are_and_stay_text() -> None:
    found = words(plots.inline(figure(), "all three"))
    assert NAME in found
    assert "untested" not in found  # a class without test clips has no bar


def test_inline_takes_the_pages_colour_and_says_what_it_shows() -> None:
    text = plots.inline(figure(), NAME)
    root = ET.fromstring(text)
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == NAME
    assert plots.INK not in text
    assert "currentColor" in text


def test_ids_of_two_drawings_on_a_page_differ() -> None:
    other, axes = plots.sheet()
    plots.curves(axes[0], [plots.Line("a", [0, 1], [0, 1])], "x", "y")
    ids = [
        {n.attrib["id"] for n in ET.fromstring(plots.inline(f, "x")).iter() if "id" in n.attrib}
        for f in (figure(), other)
    ]
    assert ids[0]
    assert not ids[0] & ids[1]


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_the_same_figure_gives_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("a", "b"):
        plots.save(figure(), tmp_path / f"{name}.{suffix}")
    first = (tmp_path / f"a.{suffix}").read_bytes()
    assert first == (tmp_path / f"b.{suffix}").read_bytes()
    assert len(first) > 5000


def test_a_threshold_is_told_apart_from_the_bars() -> None:
    drawing, axes = plots.sheet()
    plots.histogram(axes[0], {"clean": [1.0, 1.0]}, "entropy", threshold=3.0)
    assert "threshold" in words(plots.inline(drawing, "x"))
