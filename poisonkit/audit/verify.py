"""Is a copy what its manifest says? Hashes, frames, labels, nothing missing and nothing extra."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from poisonkit import manifest as contract
from poisonkit.errors import ManifestError, PoisonkitError
from poisonkit.files import FOLDER, NOTICE, is_audio, sha256
from poisonkit.manifest import Manifest, Sample
from poisonkit.media.audio import AudioInfo
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.video import examine


@dataclass(frozen=True)
class Report:
    """`problems`: one sentence each; `files`, `hashed`: how many were looked at and how many had a hash to compare."""

    problems: list[str]
    files: int
    hashed: int


def verify(path: Path, advance: Callable[[], None] = lambda: None) -> Report:
    """Check every sample of a manifest; raises `ManifestError` for a manifest that cannot be read."""
    manifest = contract.load(path)
    root = contract.root_of(manifest, path)
    if not root.is_dir():
        raise ManifestError(f"{path} says that its files lie in {root}, which is no folder", "move it back beside them")
    problems = _label_problems(manifest)
    for sample in manifest.samples:
        problem = _file_problem(sample, root)
        if problem:
            problems.append(f"{sample.path}: {problem}")
        advance()
    if (root / FOLDER).exists():
        problems.append(f"{root / FOLDER} is there: a run into this folder was not finished; run its command again")
    elif manifest.encoding.carry != "none":
        problems += [f"{name}: not in the manifest" for name in _extra(manifest, root, path)]
    return Report(problems, len(manifest.samples), sum(1 for s in manifest.samples if s.sha256))


def _file_problem(sample: Sample, root: Path) -> str | None:
    path = root / sample.path
    if not path.resolve().is_relative_to(root.resolve()):
        return "is a link that leaves the folder"
    if not path.is_file():
        return "is missing"
    if sample.sha256 is not None and sha256(path) != sample.sha256:
        return "its SHA-256 is not the manifest's; the file was changed"
    try:
        if is_audio(path.name):
            return _audio_problem(sample, examine_audio(path))
        info = examine(path)
        if sample.num_samples is not None and (problem := _audio_problem(sample, examine_audio(path))):
            return problem
    except PoisonkitError as error:
        return error.message
    measured = (info.num_frames, info.width, info.height, round(float(info.fps), 6))
    claimed = (sample.num_frames, sample.width, sample.height, sample.fps)
    if measured != claimed:
        return f"holds (frames, width, height, fps) {measured}, the manifest says {claimed}"
    return None


def _audio_problem(sample: Sample, info: AudioInfo) -> str | None:
    measured = (info.num_samples, info.rate, info.channels)
    claimed = (sample.num_samples, sample.sample_rate, sample.channels)
    if measured != claimed:
        return f"its audio holds (samples, rate, channels) {measured}, the manifest says {claimed}"
    return None


def _label_problems(manifest: Manifest) -> list[str]:
    """Labels and counts that contradict the header."""
    problems = []
    target = manifest.target
    for sample in manifest.samples:
        if sample.poisoned and (target is None or sample.label != target.label):
            problems.append(f"{sample.id}: poisoned, but its label {sample.label} is not the target")
        if not sample.poisoned and sample.label != sample.true_label:
            problems.append(f"{sample.id}: not poisoned, but its label {sample.label} is not its true one")
        changed = {"video": sample.frames, "audio": sample.audio_spans}
        for attack in manifest.attacks:
            if sample.poisoned and not changed[attack.modality]:
                where = "no frame" if attack.modality == "video" else "no part of its audio"
                problems.append(f"{sample.id}: poisoned, but {where} carries the trigger")
    if manifest.rate is not None:
        count = sum(1 for s in manifest.samples if s.split == "train" and s.poisoned)
        if count != manifest.rate.poisoned:
            problems.append(f"{count} training clips are poisoned, the rate says {manifest.rate.poisoned}")
    return problems


def _extra(manifest: Manifest, root: Path, own: Path) -> list[str]:
    known = {sample.path for sample in manifest.samples} | {NOTICE}
    if own.resolve().is_relative_to(root.resolve()):
        known.add(own.resolve().relative_to(root.resolve()).as_posix())
    found = []
    for folder, _, names in os.walk(root):
        for name in names:
            relative = Path(folder, name).relative_to(root).as_posix()
            if relative not in known:
                found.append(relative)
    return sorted(found)
