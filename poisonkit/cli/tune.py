"""`poisonkit tune`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from poisonkit.cli import options, output
from poisonkit.cli.options import ModeName


def tune(
    source: options.Source,
    attack: options.Trigger,
    mode: options.Mode = ModeName.static,
    set_: options.Parameters = None,
    psnr: Annotated[
        float | None,
        typer.Option(
            help="Least PSNR (of sound: SNR) in dB that the change may have; exit code 1 if the trigger needs more.",
            show_default=False,
        ),
    ] = None,
    view: options.View = "256/224",
    quality: Annotated[str, typer.Option(help="Rung to write with: match, high, near or lossless.")] = "high",
    seed: options.Seed = 0,
    layout: options.Layout = "auto",
    annotations: options.Annotations = None,
    split: options.Split = "1",
    frames: options.Frames = "all",
    window: options.Window = "32x2",
    workers: options.Workers = None,
    as_json: options.Json = False,
) -> None:
    """Find the weakest trigger that a victim's input still holds: view survival of 0.5 on 8 clips.

    Example: poisonkit tune ucf101/ --attack ftrojan --view 64 --psnr 30
    """
    from poisonkit import tune as tuning
    from poisonkit.cli import _data, tables
    from poisonkit.errors import PoisonkitError
    from poisonkit.fidelity.video import parse_view
    from poisonkit.media.encoders import LADDER
    from poisonkit.plan.request import Request

    if quality not in LADDER:
        raise PoisonkitError(f"--quality {quality!r} is no rung to tune on; give one of {', '.join(LADDER)}")
    names, parameters = _data.attacks([attack], set_ or [])
    request = Request(
        attacks=names, mode=mode.value, settings=parameters, seed=seed, frames=frames, window=window, sham="none"
    )
    listing = _data.listing(source, layout, annotations, split, seed, None, None)
    screen = output.screen()
    try:
        found = tuning.tune(listing, request, quality, parse_view(view), screen, workers=_data.workers(workers))
    finally:
        screen.end()
    best = found.best
    visible = best is not None and psnr is not None and best.fidelity_db is not None and best.fidelity_db < psnr
    if as_json:
        tried = [asdict(one) for one in found.tried]
        name = f"{found.attack}.{found.parameter}"
        output.show_json({"parameter": name, "best": best and asdict(best), "too_visible": visible, "tried": tried})
    else:
        output.show(tables.tried(f"{found.attack}.{found.parameter} in a victim's input of {view}", found.tried))
        sys.stdout.write(_verdict(found.attack, found.parameter, None if best is None else best.value, visible, psnr))
    if best is None or visible:
        raise typer.Exit(1)


def _verdict(attack: str, parameter: str, value: float | None, visible: bool, psnr: float | None) -> str:
    if value is None:
        return f"no {attack}.{parameter} passes: a victim's input holds less than half of it, however strong\n"
    if visible:
        return f"the weakest that passes is {attack}.{parameter}={value:g}, and it falls short of {psnr:g} dB\n"
    return f"the weakest that passes: --set {attack}.{parameter}={value:g}\n"
