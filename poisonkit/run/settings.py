"""Where and by whom a plan is carried out, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from poisonkit.manifest import Manifest
from poisonkit.plan.copy_options import AS_BY_DEFAULT, CopyOptions
from poisonkit.workers.local import available_cores


@dataclass(frozen=True)
class Settings:
    """How a plan is carried out; a continued run may have all but `options` otherwise."""

    out: Path
    manifest: Path
    options: CopyOptions = AS_BY_DEFAULT
    workers: int = field(default_factory=available_cores)
    scheduler: str | None = None
    skip_broken: bool = False
    force: bool = False


@dataclass(frozen=True)
class Result:
    """A finished run. `continued` counts clips that an earlier run had done; `fresh` is false when all was done."""

    manifest: Manifest
    path: Path
    continued: int = 0
    fresh: bool = True
