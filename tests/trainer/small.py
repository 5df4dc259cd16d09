"""An I3D that is small enough for a test, and for a process of its own: `python -m tests.trainer.small fit …`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from trainer import cli
from trainer.models.i3d import I3D
from trainer.presets.preset import Preset
from trainer.presets.sampling import Dense, Views


def small_i3d(width: int = 4, windows: int = 2, **more: Any) -> Preset:
    """I3D's `mini` on 8 frames of 32 pixels, tested on `windows` windows; `more` replaces its other fields."""
    mini = I3D.presets["mini"]
    return replace(
        mini,
        options=replace(mini.options, width=width),  # type: ignore[call-arg]
        sampling=Dense(8, 2),
        short_side=32,
        crop_size=32,
        views=Views(windows, 1, 32),
        **more,
    )


if __name__ == "__main__":
    I3D.presets["mini"] = small_i3d(width=8, windows=1)
    cli.main()
