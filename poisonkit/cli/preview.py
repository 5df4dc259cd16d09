"""`poisonkit preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from poisonkit.cli import option_groups, options, output
from poisonkit.cli.options import ModeName

if TYPE_CHECKING:
    from poisonkit.preview.audio import AudioPreview
    from poisonkit.preview.video import VideoPreview


def preview(
    clip: Annotated[
        Path, typer.Argument(metavar="CLIP", help="One video or audio file; it is only read.", show_default=False)
    ],
    attack: options.Trigger,
    mode: options.Mode = ModeName.static,
    set_: options.Parameters = None,
    seed: options.Seed = 0,
    frames: options.Frames = "all",
    window: options.Window = "32x2",
    out: Annotated[
        Path | None,
        typer.Option(
            help="A sheet of frames or spectrograms (.png), or a page that plays them (.html).",
            show_default="./<CLIP name>-<attack>[-dynamic].png",
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Show a trigger on one clip: clean, triggered, and the amplified difference side by side; audio as spectrograms.

    It is the trigger as it is meant; what an encoder leaves of it is measured by `poisonkit poison`.

    Example: poisonkit preview clip.avi --attack wanet --out wanet.html
    """
    from poisonkit.errors import BrokenClip, PoisonkitError
    from poisonkit.plan import plan
    from poisonkit.plan.request import Request
    from poisonkit.preview.audio import preview_audio
    from poisonkit.preview.video import preview_video
    from poisonkit.text import argument

    names, parameters = option_groups.parse_attacks([attack], set_)
    made = plan.make_attacks(Request(attacks=names, mode=mode.value, settings=parameters, frames=frames, window=window))
    if not made:
        raise PoisonkitError(f"{argument('attack', attack)} changes nothing that could be shown", "name a trigger")
    suffix = "-dynamic" if mode is ModeName.dynamic else ""
    where = out or Path(f"{clip.stem}-{attack}{suffix}.png")
    change = made[0]
    try:
        if change.modality == "audio":
            _show_audio(preview_audio(clip, change, seed, where), as_json)
        else:
            _show_video(preview_video(clip, change, seed, where), as_json)
    except BrokenClip as error:
        raise PoisonkitError(error.fact, "give another clip") from None


def _show_video(found: VideoPreview, as_json: bool) -> None:
    from poisonkit.cli import table_layout

    if as_json:
        output.show_json(
            {
                "out": str(found.path),
                "frames": list(found.frames),
                "placed": found.placed,
                "num_frames": found.num_frames,
                "strength": found.strength,
                "psnr_db": found.psnr_db,
                "ssim": found.ssim,
                "amplified": found.amplified,
            }
        )
        return
    psnr = table_layout.number(found.psnr_db, 1)
    output.line(
        f"{found.path}: frames {', '.join(map(str, found.frames))}; {found.placed} of {found.num_frames} frames carry "
        "the trigger"
    )
    output.line(
        f"strength {found.strength:.1f} grey levels, PSNR {psnr} dB, SSIM {table_layout.number(found.ssim)}; "
        f"difference × {found.amplified}; before any encoder"
    )


def _show_audio(found: AudioPreview, as_json: bool) -> None:
    from poisonkit.cli import table_layout

    first, last = found.span
    if as_json:
        facts = {"out": str(found.path), "span": [first, last], "seconds": found.seconds}
        output.show_json({**facts, "strength": found.strength, "snr_db": found.snr_db})
        return
    output.line(f"{found.path}: the trigger lies from {first:.2f} to {last:.2f} s of {found.seconds:.2f} s")
    output.line(
        f"strength {found.strength:.1f} steps of 16 bits, the audio lies {table_layout.number(found.snr_db, 1)} dB "
        "above it; before any encoder"
    )
