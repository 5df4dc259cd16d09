"""Groups of options become options of their own, and come back as groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import pytest
import typer
from typer.testing import CliRunner

from poisonkit.cli.expand import expanded


@dataclass(frozen=True)
class Place:
    panel: ClassVar[str] = "Place"

    where: Annotated[str, typer.Argument(help="Where.")]
    deep: Annotated[int, typer.Option(help="How deep.")] = 3


@dataclass(frozen=True)
class Plain:
    panel: ClassVar[None] = None

    loud: Annotated[bool, typer.Option(help="Whether loud.")] = False


CALLS: list[tuple[Place, Plain, str]] = []


@expanded
def command(
    place: Place, plain: Plain, name: Annotated[str, typer.Option(metavar="NAME", help="A name.")] = "x"
) -> None:
    """Do it."""
    CALLS.append((place, plain, name))


app = typer.Typer()
app.command()(command)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["here"], (Place("here", 3), Plain(False), "x")),
        (["here", "--deep", "5", "--loud", "--name", "y"], (Place("here", 5), Plain(True), "y")),
    ],
)
def test_groups_hold_what_was_given_and_the_defaults(line: list[str], expected: tuple[Place, Plain, str]) -> None:
    CALLS.clear()
    assert CliRunner().invoke(app, line).exit_code == 0
    assert [expected] == CALLS


def test_a_required_option_of_a_group_is_required() -> None:
    done = CliRunner().invoke(app, [])
    assert done.exit_code == 2
    assert "where" in done.output.lower()


def test_help_shows_the_command_and_the_groups_panel() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert "Do it." in shown
    assert shown.index("Options") < shown.index("--loud") < shown.index("Place") < shown.index("--deep")
