"""`poisonkit tune`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from poisonkit.cli import option_groups as groups
from poisonkit.cli import options, output
from poisonkit.cli.expand import expanded
from poisonkit.cli.options import ModeName

if TYPE_CHECKING:
    from poisonkit.tune import Tried, Tuned


@expanded
def tune(
    data: groups.Folder,
    attack: options.Trigger,
    mode: options.Mode = ModeName.static,
    set_: options.Parameters = None,
    psnr: Annotated[
        float | None,
        typer.Option(
            metavar="DB",
            help="Lowest PSNR of the change, SNR for audio; exit code 1 if the trigger needs a larger change.",
            show_default=False,
        ),
    ] = None,
    view: options.View = "256/224",
    quality: Annotated[
        str, typer.Option(metavar="RUNG", help="Rung to write with: match, high, near or lossless.")
    ] = "high",
    seed: options.Seed = 0,
    frames: options.Frames = "all",
    window: options.Window = "32x2",
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Find the weakest trigger that a victim's input still holds: view survival of 0.5 on 8 clips.

    Example: poisonkit tune ucf101/ --attack ftrojan --view 64 --psnr 30
    """
    from poisonkit import tune as tuning
    from poisonkit.cli import tables
    from poisonkit.errors import PoisonkitError
    from poisonkit.fidelity.video import parse_view
    from poisonkit.media.encoders import LADDER
    from poisonkit.plan.request import Request

    if quality not in LADDER:
        raise PoisonkitError(f"--quality {quality!r} is no rung to tune on", f"give one of {', '.join(LADDER)}")
    names, parameters = groups.parse_attacks([attack], set_)
    request = Request(
        attacks=names, mode=mode.value, settings=parameters, seed=seed, frames=frames, window=window, sham="none"
    )
    listing = data.listing(seed)
    screen = output.screen()
    try:
        count = groups.count_workers(workers)
        found = tuning.tune(listing, request, quality, parse_view(view), screen, workers=count)
    finally:
        screen.end()
    visible = found.best is not None and _too_visible(found.best, psnr)
    if as_json:
        tried = [asdict(one) for one in found.tried]
        best = None if found.best is None else asdict(found.best)
        name = f"{found.attack}.{found.parameter}"
        output.show_json({"parameter": name, "best": best, "too_visible": visible, "tried": tried})
    else:
        output.show(tables.tried(f"{found.attack}.{found.parameter} in a victim's input of {view}", found.tried))
        sys.stdout.write(_verdict(found, psnr if visible else None))
    if found.best is None or visible:
        raise typer.Exit(1)


def _too_visible(best: Tried, psnr: float | None) -> bool:
    return psnr is not None and best.fidelity_db is not None and best.fidelity_db < psnr


def _verdict(found: Tuned, short_of: float | None) -> str:
    """What came out; `short_of`: the PSNR or SNR in dB that the weakest trigger misses."""
    if found.best is None:
        return (
            f"no {found.attack}.{found.parameter} passes: a victim's input holds less than half of it, however strong\n"
        )
    value = f"{found.attack}.{found.parameter}={found.best.value:g}"
    if short_of is not None:
        return f"the weakest that passes is {value}, and it falls short of {short_of:g} dB\n"
    return f"the weakest that passes: --set {value}\n"
