"""What the plan hands to the workers: one job a clip, and what all jobs of a run share."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import msgspec

from poisonkit.files import is_audio
from poisonkit.manifest import Attack, Modality, Rung, Split
from poisonkit.plan.clip_geometry import AS_IS, Geometry
from poisonkit.plan.copy_options import AS_BY_DEFAULT, CopyOptions

Action = Literal["examine", "carry", "reencode", "trigger"]


class Job(msgspec.Struct, frozen=True, gc=False):  # a struct, since there are hundreds of thousands
    """What to do with one clip. `path` is relative to the source, `out_path` to the copy (both POSIX).

    `sham`: the job that re-encodes the same clip without the trigger, where both are done in one go.
    """

    id: str
    split: Split
    path: str
    out_path: str
    label: int
    true_label: int
    poisoned: bool
    action: Action
    clip_id: str
    sham: Job | None = None

    @property
    def parts(self) -> tuple[Job, ...]:
        """All that is done in one go, in that order."""
        return (self,) if self.sham is None else (self.sham, self)


@dataclass(frozen=True)
class Context:
    """What all jobs of a run share. `out` is None when nothing is written (`poisonkit index`).

    `attacks`: at most one a modality; `rungs`: the quality of what is re-encoded, by modality; `geometry`: which frames
    are written, at which size; `plan`: what the manifest calls its plan, by which written files name it.
    """

    source: Path
    out: Path | None
    seed: int
    attacks: tuple[Attack, ...] = ()
    rungs: Mapping[Modality, Rung] = field(default_factory=dict)
    options: CopyOptions = AS_BY_DEFAULT
    geometry: Geometry = AS_IS
    plan: str | None = None

    def attack(self, modality: Modality) -> Attack | None:
        """The attack on one modality, if there is one."""
        return next((attack for attack in self.attacks if attack.modality == modality), None)

    def rewritten(self, job: Job) -> frozenset[Modality]:
        """What of a clip is re-encoded: what the attacks change; without any the video, or the audio if that is all."""
        if self.attacks:
            return frozenset(attack.modality for attack in self.attacks)
        return frozenset({"audio" if is_audio(job.path) else "video"})

    def only(self, modality: Modality, rung: Rung) -> Self:
        """The same run with one attack alone, on one rung."""
        attacks = tuple(attack for attack in self.attacks if attack.modality == modality)
        return dataclasses.replace(self, attacks=attacks, rungs={modality: rung})

    def temporary(self, job: Job) -> Path:
        """A name of this thread's own in the copy's state folder; the suffix stays, some muxers look at it."""
        digest = hashlib.blake2b(job.id.encode(), digest_size=8).hexdigest()
        # two machines may do the same clip when one of them was taken for lost
        own = f"{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}"
        return self.out_path / ".poisonkit" / "partial" / f"{own}-{digest}{Path(job.path).suffix}"

    @property
    def out_path(self) -> Path:
        if self.out is None:
            raise ValueError("this run writes nothing")
        return self.out
