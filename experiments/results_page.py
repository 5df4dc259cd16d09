"""Put the tables, figures and findings of one folder into one Markdown page.

Usage: python experiments/results_page.py FOLDER > page.md, with the folder that `make paper` writes its results into.
"""

from __future__ import annotations

import sys
from pathlib import Path

ORDER = [*(f"table{n}" for n in (1, 2, 3, 4, 5, 6, 7)), *(f"figure{n}" for n in (4, 5, 6, 7)), "controls", "memory"]


def main(folder: Path) -> None:
    parts = [folder / f"{name}.md" for name in ("findings", *ORDER)]
    for part in parts:
        if part.exists():
            print(part.read_text())
        picture = part.with_suffix(".svg")
        if picture.exists():
            print(f"![{part.stem}]({picture.name})\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
