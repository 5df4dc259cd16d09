"""What a manifest says about the attack and about what is left of it, beyond what training needs.

All of it is optional: another poisoner may leave it out, and pages and tables then have less to show.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from trainer.errors import ManifestError, ManifestGoneError
from trainer.manifest import Target

LOST = 0.5
"""What a victim's view must keep of a trigger for a finding under it to mean anything."""


class Kept(msgspec.Struct):
    """How much of a trigger is left: in the file (`gain`, `correlation`, `strength`), or in a view (`energy`)."""

    gain: float | None = None
    correlation: float | None = None
    strength: float | None = None
    energy: float | None = None
    view: str | None = None

    @property
    def least(self) -> float | None:
        """The lowest of the three; None where the clip carries no trigger."""
        return min((v for v in (self.gain, self.energy, self.correlation) if v is not None), default=None)


class ClipDetails(msgspec.Struct):
    """What was done to one clip."""

    id: str
    split: str
    poisoned: bool = False
    fps: float = 0.0
    frames: list[list[int]] = []
    audio_spans: list[list[float]] = []
    trigger: dict[str, Any] = {}
    psnr_db: float | None = None
    ssim: float | None = None
    linf: float | None = None
    snr_db: float | None = None
    survival: dict[str, Kept] = {}
    view_survival: dict[str, Kept] = {}


class Placement(msgspec.Struct):
    """Which frames carry the trigger: `all`, `random` or a count in every window."""

    frames: str | None = None
    window: str | None = None


class Rate(msgspec.Struct):
    """The fraction of poisoned training clips, of `all` or of the `target` class's."""

    asked: float | None = None
    achieved: float | None = None
    of: str | None = None
    poisoned: int | None = None
    total: int | None = None


class Attack(msgspec.Struct):
    """One trigger."""

    name: str
    modality: str = ""
    mode: str = ""
    params: dict[str, Any] = {}
    placement: Placement | None = None


class Details(msgspec.Struct):
    """The header and the clips."""

    samples: list[ClipDetails]
    classes: list[str] = []
    attacks: list[Attack] = []
    rate: Rate | None = None
    target: Target | None = None
    label_mode: str | None = None
    sampling: str | None = None
    encoding: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    created_with: dict[str, str] = {}
    splits: dict[str, int] = {}
    skipped: list[Any] = []
    seed: int = 0

    def clip(self, identity: str) -> ClipDetails | None:
        """One clip by its id."""
        return next((clip for clip in self.samples if clip.id == identity), None)


def read(path: Path) -> Details:
    """Read the further fields of a manifest; raises `ManifestError` where they are not what they should be."""
    return read_with_hash(path)[0]


def read_with_hash(path: Path) -> tuple[Details, str]:
    """The same, and the SHA-256 of the file."""
    try:
        raw = path.read_bytes()
        return msgspec.json.decode(raw, type=Details), hashlib.sha256(raw).hexdigest()
    except OSError as error:
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise (ManifestGoneError if gone else ManifestError)(
            f"cannot read the manifest {path}: {error.strerror}", "put it back there, or make it readable"
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ManifestError(
            f"the description of the attack in {path} cannot be read: {error}", "write it again with poisonkit"
        ) from None


def in_view(samples: Iterable[ClipDetails], modality: str | None = None) -> float | None:
    """The median over clips of what a victim's view keeps, the lower of energy and correlation; None for none."""
    kept = [k for clip in samples for name, k in clip.view_survival.items() if modality in (None, name)]
    values = [k.least for k in kept if k.least is not None]
    return median(values) if values else None
