"""Options that several commands share, and how results are printed for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from trainer.wording import harmless_json

if TYPE_CHECKING:
    import msgspec

Views = Annotated[str | None, typer.Option(help="Views of a test clip: WINDOWSxCROPS[@SIZE], such as 10x3@256.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def print_json(result: msgspec.Struct | Sequence[msgspec.Struct]) -> None:
    """Print structs as indented JSON."""
    import msgspec

    print(harmless_json(msgspec.json.format(msgspec.json.encode(result), indent=2).decode()))
