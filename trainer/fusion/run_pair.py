"""Whether a run on video and one on audio belong together: same clips, splits, target, seed and poisoned clips."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.errors import RunError
from trainer.manifest import TRIGGERED, Manifest
from trainer.runs.loaded_run import Trained


@dataclass(frozen=True)
class Pair:
    """Two runs that agree on clips, labels and attack."""

    video: Trained
    audio: Trained

    @property
    def target(self) -> int | None:
        """The attack's target, None when both are clean."""
        attacked = self.video.manifest.target or self.audio.manifest.target
        return None if attacked is None else attacked.label


def join(video: Trained, audio: Trained) -> Pair:
    """Two runs as a pair; raises `RunError` for whatever their manifests do not agree on."""
    for run, modality in ((video, "video"), (audio, "audio")):
        if run.model.modality != modality:
            raise RunError(
                f"{run.folder} is a run of {run.settings.model}, a model of {run.model.modality}",
                f"give a run on {modality} there",
            )
    differences = _differences(video.manifest, audio.manifest)
    if differences:
        raise RunError(
            f"{video.folder} and {audio.folder} cannot be fused: {'; '.join(differences)}",
            "train both on manifests of one data set, split, seed, rate and target",
        )
    return Pair(video, audio)


def _differences(one: Manifest, other: Manifest) -> list[str]:
    """What two manifests do not agree on, in words."""
    if one.sha256 == other.sha256:
        return []
    found = []
    if one.classes != other.classes:
        found.append(f"classes {', '.join(one.classes)} and {', '.join(other.classes)}")
    for split in ("train", "test"):
        found += _difference_of_labels(split, *({s.id: s.true_label for s in m.split(split)} for m in (one, other)))
    if one.target is None or other.target is None:
        return found
    if one.target.label != other.target.label:
        found.append(f"targets {one.target.name} and {other.target.name}")
    if one.seed != other.seed:
        found.append(f"seeds {one.seed} and {other.seed}")
    for split, what in (("train", "poisoned clips"), (TRIGGERED, "triggered clips")):
        chosen = [{s.id for s in m.split(split) if s.poisoned or split == TRIGGERED} for m in (one, other)]
        found += _difference_of_sets(what, *chosen)
    return found


def _difference_of_labels(split: str, one: dict[str, int], other: dict[str, int]) -> list[str]:
    differing = _difference_of_sets(f"clips of {split}", set(one), set(other))
    relabelled = [identity for identity in one if identity in other and one[identity] != other[identity]]
    if relabelled:
        differing.append(f"true labels of {len(relabelled)} clips of {split}, such as {min(relabelled)!r}")
    return differing


def _difference_of_sets(what: str, one: set[str], other: set[str]) -> list[str]:
    if one == other:
        return []
    sides = ((one - other, "the video's manifest"), (other - one, "the audio's"))
    words = [f"{len(only)} {what} only in {side}, such as {min(only)!r}" for only, side in sides if only]
    return [" and ".join(words)]
