"""How a plan is carried out, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from poisonkit.manifest import Manifest
from poisonkit.workers.local import available_cores


@dataclass(frozen=True)
class Settings:
    """How a plan is carried out; nothing here changes a pixel but `quality`."""

    out: Path
    manifest: Path
    quality: str = "auto"
    carry: Literal["link", "copy", "reencode"] = "link"
    workers: int = field(default_factory=available_cores)
    scheduler: str | None = None
    skip_broken: bool = False
    force: bool = False
    hash_all: bool = False
    view: tuple[int, int] = (256, 224)
    survival: bool = True


@dataclass(frozen=True)
class Result:
    """A finished run. `continued` counts clips that an earlier run had done; `fresh` is false when all was done."""

    manifest: Manifest
    path: Path
    continued: int = 0
    fresh: bool = True
