"""`trainer`: options in, one function of the library, what the user sees.

Heavy imports wait inside the commands, so that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import typer

from trainer.cli import defend, fit, measure, options, paper, show
from trainer.errors import TrainerError
from trainer.text import shown

app = typer.Typer(
    cls=options.Commands,
    help="Train victims on a manifest's clips and measure them: CDA, ASR and its floors, with intervals.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def _begin(version: options.Version = False) -> None:
    pass


def _add(command: Callable[..., None], name: str | None = None) -> None:
    # the list of commands shows a first sentence whole; by itself it would be cut off
    app.command(name, short_help=(command.__doc__ or "").split("\n\n")[0].replace("\n    ", " "))(command)


_add(fit.fit)
_add(measure.evaluate)
_add(measure.probe)
_add(measure.fuse)
_add(measure.compare)
_add(measure.pool)
_add(defend.defend)
_add(defend.list_defenses, "defenses")
_add(show.explain)
_add(show.report)
_add(paper.table)
_add(paper.figure)
_add(paper.findings)
_add(show.models)


def main() -> None:
    """The entry point: a user's mistake ends with one sentence and exit code 2."""
    # torch's threads spin while they wait: by default so long that a step takes ten times as long on a busy
    # machine, and without any spinning twice as long on an idle one
    os.environ.setdefault("GOMP_SPINCOUNT", "20000")
    try:
        app(prog_name="trainer")
    except TrainerError as error:
        print(f"error: {shown(error.on_command_line())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        text = f"{error.strerror or error}:{name}; make it accessible or make room"
        print(f"error: {shown(text)}", file=sys.stderr)
        sys.exit(2)
