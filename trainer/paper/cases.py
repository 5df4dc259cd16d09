"""Which attacks and victims the paper's tables hold, in their order."""

from __future__ import annotations

IMAGE = ("badnet", "blend", "sig", "wanet", "ftrojan")
NATURAL = ("frame-lag", "video-corruption", "motion-blur")
SOUND = ("sine", "band-noise")
VIDEO_MODELS = ("i3d", "slowfast", "tsm")
