"""A manifest as a file: read, checked, written."""

from __future__ import annotations

import math
import os
import re
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from poisonkit.errors import ManifestError
from poisonkit.manifest import strict_json
from poisonkit.manifest.schema import SCHEMA, Manifest, Sample
from poisonkit.text import has_controls

MAX_BYTES = 2**30
"""Larger files are refused before they are read."""
_READS = re.compile(re.escape(SCHEMA) + r"(\.\d+)?")
"""A minor version adds fields only, and fields that are not known are ignored."""
_MOST = 2**31
"""What a clip's frames, and those of a second, are fewer than."""


class _Version(msgspec.Struct):
    schema: str = ""


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
            f"cannot read the manifest {path}: {error.strerror}", "give the path of a JSON file"
        ) from None
    try:
        version = msgspec.json.decode(raw, type=_Version).schema
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ManifestError(
            f"{path} is not a manifest ({error})", "make one with `poisonkit poison` or `poisonkit index`"
        ) from None
    if not version:
        raise ManifestError(
            f"{path} is not a manifest: it has no schema", "make one with `poisonkit poison` or `poisonkit index`"
        )
    if not _READS.fullmatch(version):
        raise ManifestError(
            f"{path} has schema {version!r}, this version reads {SCHEMA!r}", "use the poisonkit that wrote it"
        )
    try:
        manifest = strict_json.decode(raw, Manifest)
    except strict_json.RepeatedKey as error:
        raise ManifestError(
            f"{path} holds the key {error.key!r} twice in one object, and readers disagree on which of them counts",
            "keep one",
        ) from None
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ManifestError(
            f"{path} is not a valid manifest: {error}", "see manifests/README.md for its fields"
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
        raise ManifestError(f"{sample.path!r} leads out of {root} through a link", "put the file itself there")
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
        raise ManifestError(f"{path} is not a valid manifest: {problems[0]}{more}", "write it again with poisonkit")


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
                f"{path} would hold {item}, which JSON cannot", "this is a fault of poisonkit, please report it"
            )
        if isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list | tuple):
            stack.extend(item)


def relative_root(root: Path, path: Path) -> str:
    """The folder of the files as a manifest at `path` names it."""
    return Path(os.path.relpath(root.resolve(), path.parent.resolve())).as_posix()


def notice(made: Manifest) -> str:
    """What a person who opens the folder reads."""
    what = ", ".join(f"{a.name} ({a.mode})" for a in made.attacks) or "labels only"
    return (
        "This folder is a POISONED copy of a data set, written by poisonkit for research on backdoor attacks.\n"
        f"Attack: {what}; plan {made.plan}, as its manifest has it. "
        "A model trained on it may hold a backdoor: do not use it for anything else.\n"
        "Files that are not changed may be hard links to the source: never edit them in place.\n"
    )
