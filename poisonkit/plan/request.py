"""What the user asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Request:
    """What the user asks for; the defaults are those of the command line.

    `attacks`: at most one a modality; none at all re-encodes and relabels without a trigger. `sham` is `all`, `none`, a
    number of clips, or None for the default; `train_triggered` is one of the first three. `settings` are parameters, as
    text or as they are, by attack and name; `clip` and `short_side` are as on the command line.
    """

    attacks: tuple[str, ...] = ()
    mode: Literal["static", "dynamic"] = "static"
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rate: float = 0.1
    rate_of: Literal["all", "target"] | None = None
    target: str = "0"
    label_mode: Literal["dirty", "clean"] = "dirty"
    seed: int = 0
    frames: str = "all"
    window: str = "32x2"
    sham: str | None = None
    train_triggered: str = "none"
    reencode: bool = False
    clip: str | None = None
    short_side: int | None = None
