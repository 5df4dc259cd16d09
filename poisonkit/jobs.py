"""What the plan hands to the workers: one job a clip, and what all jobs of a run share."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from poisonkit.manifest import Attack, Split

Rung = Literal["match", "high", "near", "lossless"]
"""A step of the quality ladder, cheapest first."""
Action = Literal["examine", "carry", "reencode", "trigger"]


@dataclass(frozen=True, slots=True)
class Job:
    """What to do with one clip. `path` is relative to the source, `out_path` to the copy (both POSIX)."""

    id: str
    split: Split
    path: str
    out_path: str
    label: int
    true_label: int
    poisoned: bool
    action: Action
    clip_id: str


@dataclass(frozen=True)
class Context:
    """What all jobs of a run share. `out` is None when nothing is written (`poisonkit index`).

    `view`: the victim's input for the view survival, short side and crop in pixels.
    """

    source: Path
    out: Path | None
    seed: int
    attack: Attack | None
    rung: Rung | None
    link: bool = True
    hash_all: bool = False
    view: tuple[int, int] = (256, 224)

    def temporary(self, job: Job) -> Path:
        """A name of this process's own in the copy's state folder; the suffix stays, some muxers look at it."""
        digest = hashlib.blake2b(job.id.encode(), digest_size=8).hexdigest()
        return self.out_path / ".poisonkit" / "partial" / f"{os.getpid()}-{digest}{Path(job.path).suffix}"

    @property
    def out_path(self) -> Path:
        if self.out is None:
            raise ValueError("this run writes nothing")
        return self.out
