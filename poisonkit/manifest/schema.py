"""The contract between the two halves: the manifest's structs, reading, writing and checking.

`manifests/schema.json` is exported from these structs and `manifests/README.md` explains every field.
"""

from __future__ import annotations

import inspect
from typing import Any, Literal

import msgspec

SCHEMA = "poisonkit/manifest/1"
Scalar = int | float | str | bool | None
Split = Literal["train", "test", "test_triggered", "test_sham", "train_triggered"]
Rung = Literal["match", "high", "near", "lossless"]
"""A step of the quality ladder, cheapest first."""
Modality = Literal["video", "audio"]
SPLITS: tuple[Split, ...] = ("train", "test", "test_triggered", "test_sham", "train_triggered")


class Target(msgspec.Struct):
    """The class that triggered clips shall get."""

    label: int
    name: str


class Rate(msgspec.Struct):
    """The poisoning rate: asked for, achieved, and the clips that it counts against."""

    asked: float
    achieved: float
    of: Literal["all", "target"]
    poisoned: int
    total: int


class Placement(msgspec.Struct):
    """Which frames of a clip carry the trigger: `frames` is `all`, `random` or a count per window."""

    frames: str
    window: str


class Attack(msgspec.Struct):
    """One trigger with its parameters; `params` rebuilds it. Audio has no frames, and so no placement."""

    name: str
    modality: Modality
    mode: Literal["static", "dynamic"]
    params: dict[str, Scalar]
    placement: Placement | None


class Source(msgspec.Struct):
    """Where the clips came from: layout, split, and a fingerprint of the listing (names, labels and sizes)."""

    layout: str
    split: str
    fingerprint: str


class Trial(msgspec.Struct):
    """What one rung of the quality ladder kept of the trigger on the trial clips.

    Of `clips` tried, `carrying` carry a trigger, and `passing` of these keep gain and correlation of at least 0.95.
    """

    rung: str
    clips: int
    carrying: int
    passing: int
    gain_min: float | None
    correlation_min: float | None
    bytes: int
    source_bytes: int
    modality: Modality = "video"


class Encoding(msgspec.Struct):
    """How files were written: the rungs of video and audio, encoder lines by suffix, how clean files were carried.

    `rung` or `sound_rung` is null where the video or the audio of all files are the source's; `audio` is then
    `copy`. `clip` and `short_side`: what the written video was sampled and scaled to, null for as they are.
    """

    quality: str
    rung: str | None
    video: dict[str, str]
    audio: str
    carry: Literal["reflink", "hardlink", "copy", "reencode", "none"]
    trials: list[Trial] = []
    sound_rung: str | None = None
    clip: str | None = None
    short_side: int | None = None


# samples hold no cycles: without `gc=False` those of a large manifest would be searched for some, again and again
class Survival(msgspec.Struct, omit_defaults=True, gc=False):
    """How much of the intended change the written file holds; gain and correlation are null below a strength of 1.

    `strength` is the RMS of the change: in grey levels for video, in steps of 16 bits for audio. `gain_mean` and
    `gain_p10`, for dynamic triggers of video, are mean and 10th percentile of the gains of single frames.
    """

    gain: float | None
    correlation: float | None
    strength: float
    gain_mean: float | None = None
    gain_p10: float | None = None

    @property
    def kept(self) -> float | None:
        """The lower of gain and correlation; None where the clip carries no trigger."""
        return None if self.gain is None or self.correlation is None else min(self.gain, self.correlation)


class ViewSurvival(msgspec.Struct, gc=False):
    """What a victim's input leaves of the trigger; null where the clip carries none.

    `view`: resize and crop of video, as in 256/224; rate and mel bands of audio, as in 16000/80.
    """

    view: str
    energy: float | None
    correlation: float | None

    @property
    def kept(self) -> float | None:
        """The lower of energy and correlation; None where the clip carries no trigger."""
        return None if self.energy is None or self.correlation is None else min(self.energy, self.correlation)


class Skipped(msgspec.Struct):
    """A clip of the source that was left out, and why."""

    id: str
    split: str
    reason: str


class Sample(msgspec.Struct, omit_defaults=True, gc=False):
    """One media file. See `manifests/README.md` for every field with its unit."""

    id: str
    path: str
    split: Split
    label: int
    true_label: int
    poisoned: bool
    num_frames: int
    fps: float
    width: int
    height: int
    stride: int | None = None
    frames: list[tuple[int, int, int]] = []
    window_count: int | None = None
    audio_spans: list[tuple[float, float]] = []
    trigger: dict[str, Any] = {}
    sha256: str | None = None
    psnr_db: float | None = None
    ssim: float | None = None
    l2: float | None = None
    linf: int | None = None
    snr_db: float | None = None
    survival: dict[Modality, Survival] = {}
    view_survival: dict[Modality, ViewSurvival] = {}
    sample_rate: int | None = None
    channels: int | None = None
    num_samples: int | None = None
    lsd_db: float | None = None


class Manifest(msgspec.Struct, kw_only=True):
    """A data set on disk: header and samples, sorted by id."""

    schema: str
    name: str
    plan: str | None = None
    created_with: dict[str, str]
    root: str
    source: Source
    classes: list[str]
    seed: int
    rate: Rate | None
    label_mode: Literal["dirty", "clean"] | None
    target: Target | None
    attacks: list[Attack]
    sampling: str | None
    encoding: Encoding
    splits: dict[str, int]
    skipped: list[Skipped]
    samples: list[Sample]


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest (draft 2020-12), the same whatever version of msgspec exports it."""
    exported: dict[str, Any] = _plain(msgspec.json.schema(Manifest))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **exported}


def _plain(value: Any) -> Any:
    """A schema without what versions of msgspec write differently: indented descriptions, and names of properties."""
    if isinstance(value, list):
        return [_plain(part) for part in value]
    if not isinstance(value, dict):
        return value
    made = {key: _plain(part) for key, part in value.items() if key != "propertyNames"}
    if isinstance(made.get("description"), str):
        made["description"] = inspect.cleandoc(made["description"])
    return made
