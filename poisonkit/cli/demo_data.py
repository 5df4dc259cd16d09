"""`poisonkit demo-data`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from poisonkit.cli import option_groups, options, output


def demo_data(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the data set.", show_default=False)],
    seed: Annotated[
        int, typer.Option(metavar="N", parser=options.parse_seed, help="Another seed gives another data set.")
    ] = 0,
    train: Annotated[int, typer.Option(metavar="N", help="Training clips per class.")] = 36,
    test: Annotated[int, typer.Option(metavar="N", help="Test clips per class.")] = 12,
    workers: options.Workers = None,
) -> None:
    """Make a procedural audio-visual data set in a minute: its classes differ in motion and in sound."""
    from poisonkit.demo import make_demo

    screen = output.screen()
    begun = False

    def progress(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            screen.begin("drawing", total, total)
            begun = True
        screen.advance(1)

    try:
        make_demo(
            out,
            clips_per_class_train=train,
            clips_per_class_test=test,
            seed=seed,
            workers=option_groups.count_workers(workers),
            progress=progress,
        )
    finally:
        screen.end()
    output.line(f"data set: {out}")
    output.line(f"next: {shlex.join(['poisonkit', 'poison', str(out), '--attack', 'badnet'])}")
