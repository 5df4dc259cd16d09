"""`trainer` with an I3D that is small enough for a process of its own: `python -m tests.trainer.small fit …`."""

from __future__ import annotations

from dataclasses import replace

from trainer import cli
from trainer.models.i3d import I3D
from trainer.presets.sampling import Dense, Views

if __name__ == "__main__":
    mini = I3D.presets["mini"]
    I3D.presets["mini"] = replace(
        mini,
        options=replace(mini.options, width=8),
        sampling=Dense(8, 2),
        short_side=32,
        crop_size=32,
        views=Views(1, 1, 32),
    )
    cli.main()
