"""The contract between the two halves: the manifest's structs, reading, writing and checking.

`manifests/schema.json` is exported from these structs and `manifests/README.md` explains every field.
"""

from __future__ import annotations

import math
import os
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec

from poisonkit.errors import ManifestError
from poisonkit.manifest import strict_json
from poisonkit.text import has_controls

SCHEMA = "poisonkit/manifest/1"
MAX_BYTES = 2**30
"""Larger files are refused before they are read."""
_READS = re.compile(re.escape(SCHEMA) + r"(\.\d+)?")
"""A minor version adds fields only, and fields that are not known are ignored."""

_MOST = 2**31
"""What a clip's frames, and those of a second, are fewer than."""

Scalar = int | float | str | bool | None
Split = Literal["train", "test", "test_triggered", "test_sham"]
Rung = Literal["match", "high", "near", "lossless"]
"""A step of the quality ladder, cheapest first."""
Modality = Literal["video", "audio"]
SPLITS: tuple[Split, ...] = ("train", "test", "test_triggered", "test_sham")


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
    """One trigger with its parameters; `params` rebuilds it. Sound has no frames, and so no placement."""

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
    """How files were written: the rungs of pictures and sound, encoder lines by suffix, how clean files were carried.

    `rung` or `sound_rung` is null where the pictures or the sound of all files are the source's; `audio` is then
    `copy`. `clip` and `short_side`: what the written pictures were sampled and scaled to, null for as they are.
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

    `strength` is the RMS of the change: in grey levels for pictures, in steps of 16 bits for sound. `gain_mean` and
    `gain_p10`, for dynamic triggers of pictures, are mean and 10th percentile of the gains of single frames.
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

    `view`: resize and crop of pictures, as in 256/224; rate and mel bands of sound, as in 16000/80.
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


class _Version(msgspec.Struct):
    schema: str = ""


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a manifest (draft 2020-12)."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Manifest)}


def load(path: Path) -> Manifest:
    """Read and check a manifest; raises `ManifestError` with a sentence for whatever is wrong with it."""
    if path.is_dir():
        raise ManifestError(
            f"{path} is a folder; give the path of a manifest's JSON file: `poisonkit index {path}` makes one of a "
            f"data set"
        )
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ManifestError(f"{path} has {size} bytes, more than the {MAX_BYTES} of a manifest; split the data set")
        raw = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"cannot read the manifest {path}: {error.strerror}; give the path of a JSON file"
        ) from None
    try:
        version = msgspec.json.decode(raw, type=_Version).schema
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{path} is not a manifest ({error}); make one with `poisonkit poison` or `poisonkit index`"
        ) from None
    if not version:
        raise ManifestError(
            f"{path} is not a manifest: it has no schema; make one with `poisonkit poison` or `poisonkit index`"
        )
    if not _READS.fullmatch(version):
        raise ManifestError(
            f"{path} has schema {version!r}, this version reads {SCHEMA!r}; use the poisonkit that wrote it"
        )
    try:
        manifest = strict_json.decode(raw, Manifest)
    except strict_json.RepeatedKey as error:
        raise ManifestError(
            f"{path} holds the key {error.key!r} twice in one object, and readers disagree on which of them counts; "
            f"keep one"
        ) from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ManifestError(
            f"{path} is not a valid manifest: {error}; see manifests/README.md for its fields"
        ) from None
    check(manifest, path)
    return manifest


def save(manifest: Manifest, path: Path) -> None:
    """Write a manifest atomically, after checking it: samples sorted by id, one a line."""
    check(manifest, path)
    header = msgspec.to_builtins(msgspec.structs.replace(manifest, samples=[]))
    _refuse_nan(header, path)
    samples = sorted(manifest.samples, key=lambda s: s.id)
    for sample in samples:  # one by one: all of them as dictionaries would take gigabytes
        _refuse_nan(msgspec.to_builtins(sample), path)
    lines = b",\n".join(b"    " + msgspec.json.encode(sample) for sample in samples)
    text = msgspec.json.format(msgspec.json.encode(header), indent=2)
    text = text.replace(b'"samples": []', b'"samples": [\n' + lines + b"\n  ]") + b"\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".partial")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp makes private files; a manifest is meant to be shared
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def root_of(manifest: Manifest, path: Path) -> Path:
    """The folder that sample paths are relative to, given where the manifest lies."""
    return (path.parent.resolve() / manifest.root).resolve()


def file_of(sample: Sample, root: Path) -> Path:
    """The media file of a sample; raises `ManifestError` when a link leads it out of the root."""
    path = root / sample.path
    if not path.resolve().is_relative_to(root.resolve()):
        raise ManifestError(f"{sample.path!r} leads out of {root} through a link; put the file itself there")
    return path


def check(manifest: Manifest, path: Path) -> None:
    """Raise `ManifestError` when a manifest claims what cannot be: labels, ids, counts, runs, paths."""
    classes = len(manifest.classes)
    problems = []
    if PurePosixPath(manifest.root).is_absolute():
        problems.append(f"root {manifest.root!r} is absolute; it must be relative to the manifest's folder")
    names = [manifest.name, manifest.root, *manifest.classes]
    problems += [f"the name {name!r} holds a control character" for name in names if has_controls(name)][:1]
    if len(set(manifest.classes)) != classes:
        problems.append("two classes have the same name")
    if manifest.target is not None and not (
        0 <= manifest.target.label < classes and manifest.classes[manifest.target.label] == manifest.target.name
    ):
        problems.append(f"target {manifest.target.label} {manifest.target.name!r} is not one of the {classes} classes")
    counts: dict[str, int] = {}
    ids: set[str] = set()
    for sample in manifest.samples:
        counts[sample.split] = counts.get(sample.split, 0) + 1
        if sample.id in ids:
            problems.append(f"the id {sample.id!r} occurs twice")
        ids.add(sample.id)
        problem = _sample_problem(sample, classes)
        if problem:
            problems.append(f"sample {sample.id!r}: {problem}")
    if counts != manifest.splits:
        problems.append(f"splits says {manifest.splits}, the samples are {counts}")
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ManifestError(f"{path} is not a valid manifest: {problems[0]}{more}; write it anew with poisonkit")


def _sample_problem(sample: Sample, classes: int) -> str | None:
    if not (0 <= sample.label < classes and 0 <= sample.true_label < classes):
        return f"label {sample.label} or true label {sample.true_label} is not in 0 … {classes - 1}"
    if has_controls(sample.id) or has_controls(sample.path):
        return f"its id or its path {sample.path!r} holds a control character"
    parts = sample.path.split("/")  # by hand: a pathlib object a sample would take seconds on Kinetics-400
    if not parts[0] or ".." in parts or not any(part not in ("", ".") for part in parts):
        return f"path {sample.path!r} leaves the root; it must be relative and without '..'"
    for start, stop, step in sample.frames:
        if not (0 <= start < stop <= sample.num_frames and step >= 1):
            return f"frames {[start, stop, step]} do not lie in its {sample.num_frames} frames"
    for begin, end in sample.audio_spans:
        if not 0 <= begin < end:
            return f"audio_spans {[begin, end]} is no span of time"
    if not (0 <= sample.num_frames < _MOST and 0 <= sample.fps < _MOST):
        return f"its num_frames or its fps {sample.fps} is not in 0 … {_MOST - 1}"  # too long a number has no text
    return None


def _refuse_nan(value: Any, path: Path) -> None:
    """msgspec would write NaN and infinity as null, which would pass for "not measured"."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, float) and not math.isfinite(item):
            raise ManifestError(
                f"{path} would hold {item}, which JSON cannot; this is a fault of poisonkit, please report it"
            )
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)
