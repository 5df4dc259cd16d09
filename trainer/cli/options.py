"""Options that several commands share, and how results are printed for machines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from trainer.text import harmless_json

if TYPE_CHECKING:
    import msgspec

Views = Annotated[str | None, typer.Option(help="Views of a test clip: WINDOWSxCROPS[@SIZE], such as 10x3@256.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


class Commands(TyperGroup):
    """The commands; a wrong value is told in plain words."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's, which some typers use
            raise


def _print_version(asked: bool) -> None:
    if asked:
        from trainer.versions import versions

        print(f"trainer {versions()['poisonkit']}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
]


def print_json(result: msgspec.Struct | Sequence[msgspec.Struct]) -> None:
    """Print structs as indented JSON."""
    import msgspec

    print(harmless_json(msgspec.json.format(msgspec.json.encode(result), indent=2).decode()))
