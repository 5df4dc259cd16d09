"""`poisonkit`, one file a command: options in, one function of the library, what the user sees.

Heavy imports wait inside the commands, so that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import signal
from typing import Any, NoReturn

import typer

from poisonkit.cli import (
    attacks,
    demo_data,
    export,
    index,
    inspect,
    options,
    output,
    poison,
    preview,
    scan,
    transcode,
    tune,
    verify,
)
from poisonkit.errors import PoisonkitError

app = typer.Typer(
    cls=options.Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Poison a video or audio data set on disk, with a manifest of what was changed and what survived the codec. "
    "Research software for measuring and defending; sources are never touched, copies are marked as poisoned.",
)


@app.callback()
def _begin(version: options.Version = False) -> None:
    pass


app.command()(poison.poison)
app.command()(index.index)
app.command()(attacks.attacks)
app.command()(preview.preview)
app.command()(inspect.inspect)
app.command()(verify.verify)
app.command()(scan.scan)
app.command()(transcode.transcode)
app.command()(tune.tune)
app.command()(export.export)
app.command()(demo_data.demo_data)


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit code 2."""

    def stop(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        app()
    except PoisonkitError as error:
        output.fail(error.message)
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        output.fail(
            f"{error.strerror or error}:{name}; make it accessible or make room, and run the same command again"
        )
