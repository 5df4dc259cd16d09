"""A read-only view of the manifest: the fields that training and scoring need.

The contract itself is `manifests/schema.json`; fields that this view does not know are ignored, so that a
manifest may grow, while another major schema version is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from trainer.errors import ClipError, ManifestError
from trainer.manifest import strict_json
from trainer.text import has_controls

SCHEMA = "poisonkit/manifest/1"
MAX_BYTES = 2**30
"""Larger files are refused before they are read."""
TRIGGERED, SHAM, TRAIN_TRIGGERED = "test_triggered", "test_sham", "train_triggered"
TESTS = ("test", TRIGGERED, SHAM)
"""What a run is scored on."""
SPLITS = ("train", *TESTS, TRAIN_TRIGGERED)

_SCHEMA_PATTERN = re.compile(re.escape(SCHEMA) + r"(\.\d+)?")  # a minor version adds fields only


class Target(msgspec.Struct):
    """The class that triggered clips shall get."""

    label: int
    name: str


class Sample(msgspec.Struct, gc=False):
    """One media file.

    `label` is what training or scoring uses, `true_label` what the clip shows. `num_frames` counts frames
    that decode. `stride` is the step at which to take the frames of a clip that was written already sampled. `poisoned`
    is for bookkeeping alone: neither a training nor a defense may look at it.
    """

    id: str
    path: str
    split: str
    label: int
    true_label: int
    num_frames: int
    width: int = 0
    height: int = 0
    stride: int | None = None
    poisoned: bool = False


class _Version(msgspec.Struct):
    schema: str = ""


class _Document(msgspec.Struct):
    name: str
    root: str
    classes: list[str]
    samples: list[Sample]
    seed: int = 0
    target: Target | None = None
    sampling: str | None = None
    attacks: Any = None  # what they hold does not matter for training


@dataclass(frozen=True)
class Manifest:
    """A data set on disk, with where it lies: `root` is absolute, `sha256` is that of the manifest file.

    `sampling`: the victim's window that triggers were placed for, as in `32x2` or `uniform:8`; `seed`: what decided
    which clips are poisoned; `attacked`: what triggers change, `video`, `audio` or both; empty where that is not said.
    """

    path: Path
    sha256: str
    name: str
    root: Path
    classes: list[str]
    target: Target | None
    samples: list[Sample]
    sampling: str | None = None
    seed: int = 0
    attacked: frozenset[str] = frozenset()

    def split(self, name: str) -> list[Sample]:
        """The samples of one split, in the manifest's order."""
        return [sample for sample in self.samples if sample.split == name]

    def check_files(self) -> None:
        """Raise `ManifestError` where files are missing: a training would find that out hours later."""
        if not self.root.is_dir():
            raise ManifestError(
                f"{self.path} says that its files lie in {self.root}, which is no folder",
                "move it back, or write the manifest again",
            )
        missing = [sample.path for sample in self.samples if not (self.root / sample.path).is_file()]
        if missing:
            raise ManifestError(
                f"{len(missing)} of the {len(self.samples)} files of {self.path} are missing, such as {missing[0]} in "
                f"{self.root}",
                "restore them, or write the manifest again",
            )

    def file_of(self, sample: Sample) -> Path:
        """The media file of a sample; raises `ClipError` when a link leads it out of the root."""
        file = self.root / sample.path
        if not file.resolve().is_relative_to(self.root.resolve()):
            raise ClipError(
                f"{sample.path!r} of sample {sample.id!r} leads out of the root {self.root} through a link",
                "put the file itself there",
            )
        return file


def load(path: Path) -> Manifest:
    """Read and check a manifest; raises `ManifestError` with a sentence for whatever is wrong with it."""
    if path.is_dir():
        raise ManifestError(
            f"{path} is a folder",
            f"give the path of a manifest's JSON file: `poisonkit index {path}` makes one of a data set",
        )
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise ManifestError(
                f"{path} has {size} bytes, more than the {MAX_BYTES} of a manifest", "split the data set"
            )
        raw = path.read_bytes()
    except OSError as error:
        raise ManifestError(
            f"cannot read the manifest {path}: {error.strerror}", "give the path of a manifest's JSON file"
        ) from None
    try:
        version = msgspec.json.decode(raw, type=_Version).schema
        if not version:
            raise ManifestError(
                f"{path} is not a manifest: it has no schema", "make one with `poisonkit index` or `poisonkit poison`"
            )
        if not _SCHEMA_PATTERN.fullmatch(version):
            raise ManifestError(
                f"{path} has schema {version!r}, this version reads {SCHEMA!r}",
                "write the manifest again with the poisonkit of this version",
            )
        document = strict_json.decode(raw, _Document)
    except strict_json.RepeatedKey as error:
        raise ManifestError(
            f"{path} holds the key {error.key!r} twice in one object, and readers disagree on which of them counts",
            "keep one",
        ) from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path} is not a manifest: {error}", "see manifests/README.md for its fields") from None
    _check(document, path)
    return Manifest(
        path=path,
        sha256=hashlib.sha256(raw).hexdigest(),
        name=document.name,
        root=path.parent.absolute() / document.root,
        classes=document.classes,
        target=document.target,
        samples=document.samples,
        sampling=document.sampling,
        seed=document.seed,
        attacked=_modalities(document.attacks),
    )


def _modalities(attacks: Any) -> frozenset[str]:
    """The modalities that a list of attacks names; none where it has another form."""
    named = (
        [attack.get("modality") for attack in attacks if isinstance(attack, dict)] if isinstance(attacks, list) else []
    )
    return frozenset(modality for modality in named if isinstance(modality, str) and modality)


def plain(identity: str) -> str:
    """The id of the clip that a triggered or re-encoded one is a copy of."""
    for split in (TRIGGERED, SHAM):
        identity = identity.removeprefix(f"{split}/")
    return identity


def _check(document: _Document, path: Path) -> None:
    classes = len(document.classes)
    problem = None
    if PurePosixPath(document.root).is_absolute():
        problem = f"its root {document.root!r} is absolute, but must be relative to the manifest's folder"
    elif not classes:
        problem = "it has no classes"
    elif document.target is not None and not 0 <= document.target.label < classes:
        problem = f"its target {document.target.label} is not in 0 … {classes - 1}"
    for name in (document.name, document.root, *document.classes):
        if has_controls(name):
            problem = problem or f"the name {name!r} holds a control character"
    seen: set[str] = set()
    for sample in document.samples:
        problem = problem or _sample_problem(sample, classes)
        if sample.id in seen:
            problem = problem or f"the id {sample.id!r} occurs twice"
        seen.add(sample.id)
    if problem:
        raise ManifestError(f"{path} cannot be used: {problem}", "write it again with poisonkit")


def _sample_problem(sample: Sample, classes: int) -> str | None:
    if not (0 <= sample.label < classes and 0 <= sample.true_label < classes):
        labels = f"label {sample.label} or true label {sample.true_label}"
        return f"sample {sample.id!r} has {labels}, not in 0 … {classes - 1}"
    if has_controls(sample.id) or has_controls(sample.path):
        return f"the id {sample.id!r} or its path {sample.path!r} holds a control character"
    parts = sample.path.split("/")  # by hand: a pathlib object per sample would take seconds on Kinetics-400
    if not parts[0] or ".." in parts or parts == ["."]:
        return f"the path {sample.path!r} of sample {sample.id!r} leaves the root"
    if not 0 <= sample.num_frames < 2**31:
        return f"num_frames of sample {sample.id!r} is not in 0 … {2**31 - 1}"
    if sample.stride is not None and sample.stride < 1:
        return f"sample {sample.id!r} has stride {sample.stride}, which must be at least 1"
    return None
