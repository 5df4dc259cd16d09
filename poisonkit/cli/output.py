"""What the commands print: tables and JSON on stdout, progress and errors on stderr."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from poisonkit.text import as_options, harmless_json, shown

if TYPE_CHECKING:
    from poisonkit.cli.progress import Screen


def screen() -> Screen:
    """Progress on stderr."""
    from rich.console import Console

    from poisonkit.cli.progress import Screen

    return Screen(Console(stderr=True))


def show(renderable: Any) -> None:
    """A table and an empty line; nothing for None."""
    from rich.console import Console

    if renderable is not None:
        # a pipe or a file gets whole lines; rich would cut them at 80 characters
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(renderable)
        console.print()


def show_json(value: Any) -> None:
    """A result for programs."""
    sys.stdout.write(harmless_json(json.dumps(value, ensure_ascii=False, indent=2)) + "\n")


def line(text: str) -> None:
    """One line on stdout."""
    sys.stdout.write(f"{shown(as_options(text))}\n")


def fail(message: str, code: int = 2) -> NoReturn:
    """One sentence on stderr, and the end."""
    sys.stderr.write(f"poisonkit: {shown(as_options(message))}\n")
    raise SystemExit(code)
