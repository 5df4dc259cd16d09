"""Tables on screens of any width."""

from __future__ import annotations

import pytest
from rich.console import Console

from poisonkit.cli import table_layout

HEADS = ("split", "files", "carry a trigger", "worst correlation", "kept ≥ 0.9", "frames' gain, p10", "in view 256/224")
ROWS = [
    ("test_sham", "36", "0", "–", "–", "–", "–"),
    ("test_triggered", "3783", "3780", "0.996", "3778/3780", "0.988", "0.89"),
    ("train, poisoned", "954", "951", "0.994", "949/951", "0.986", "0.88"),
]


@pytest.mark.parametrize("width", [50, 60, 80, 100, 132, 200])
def test_no_number_is_broken(width: int) -> None:
    made = table_layout.table("Written video", *HEADS, numbers=HEADS[1:])
    for row in ROWS:
        made.add_row(*map(table_layout.plain, row))
    console = Console(width=width)
    with console.capture() as capture:
        console.print(made)
    lines = capture.get().splitlines()
    words = [word for line in lines for word in line.split()]
    assert all(len(line) <= width for line in lines)
    assert all(words.count(cell) >= 1 for row in ROWS for cell in row[1:])
    assert words.count("–") == 4


def test_a_narrow_screen_folds_names_and_no_numbers() -> None:
    made = table_layout.table("Least", "clip", "gain", "correlation", numbers=("gain", "correlation"))
    for k in range(9):
        made.add_row(f"test_triggered/test/Circle/circle_{k:04}", f"0.{k}01", f"0.{k}02")
    console = Console(width=40)
    with console.capture() as capture:
        console.print(made)
    words = capture.get().split()
    assert all(f"0.{k}01" in words and f"0.{k}02" in words for k in range(9))
