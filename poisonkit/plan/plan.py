"""The plan: which clips are poisoned, which label they get, what is done with every file. Pure: opens no media."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import msgspec

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.files import is_audio
from poisonkit.layouts._base import Clip, Listing
from poisonkit.manifest import Attack, Modality, Placement, Rate, Skipped, Target
from poisonkit.manifest.window import Window
from poisonkit.plan.clip_geometry import AS_IS, Geometry
from poisonkit.plan.job import Action, Context, Job
from poisonkit.plan.placement import check_rule
from poisonkit.plan.request import Request
from poisonkit.plan.selection import choose, choose_sham, choose_train_triggered
from poisonkit.text import argument
from poisonkit.triggers import find

_CHANGES: dict[Modality, str] = {"video": "the video", "audio": "the audio"}


@dataclass(frozen=True)
class Plan:
    """Every job of a run, and the header fields that follow from the request."""

    listing: Listing
    seed: int
    label_mode: Literal["dirty", "clean"] | None
    target: Target | None
    attacks: tuple[Attack, ...]
    rate: Rate | None
    window: str | None
    jobs: tuple[Job, ...]
    skipped: tuple[Skipped, ...] = ()
    geometry: Geometry = AS_IS

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that decides the written files; a run continues only what has the same."""
        facts: list[Any] = [self.seed, self.label_mode, self.target, self.attacks, self.listing.classes]
        facts += [self.geometry.text(), self.geometry.short_side]
        facts += [(j.id, j.path, j.out_path, j.label, j.poisoned, j.action) for j in self.jobs]
        return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()

    def name(self) -> str | None:
        """The beginning of the fingerprint, by which the manifest and every written file name the plan."""
        return self.fingerprint[:16] if self.attacks or self.target else None

    def written(self) -> list[Job]:
        """The jobs that write a new file rather than carry an old one."""
        return [job for job in self.jobs if job.action in ("trigger", "reencode")]

    def rewritten(self, job: Job) -> frozenset[Modality]:
        """What of a written clip is new."""
        return Context(self.listing.root, None, self.seed, self.attacks).rewritten(job)

    def modalities(self) -> list[Modality]:
        """What the run re-encodes, video before audio."""
        found = frozenset[Modality]().union(*(self.rewritten(job) for job in self.written()))
        return sorted(found, reverse=True)


def index(listing: Listing, seed: int) -> Plan:
    """The plan of an unchanged data set: every clip is looked at, nothing is written."""
    jobs = tuple(_job(clip, clip.path, clip.split, "examine") for clip in listing.clips)
    return Plan(listing, seed, None, None, (), None, None, jobs)


def poison(listing: Listing, request: Request, skipped: Sequence[Skipped] = ()) -> Plan:
    """Decide everything about a poisoned copy; raises `PoisonkitError` for what cannot be done.

    `skipped` are clips that were taken out of the listing since the attacks cannot be made on them.
    """
    target = find_target(request.target, listing.classes)
    attacks = make_attacks(request)
    _check_video(listing, attacks)
    train = [c for c in listing.clips if c.split == "train"]
    test = [c for c in listing.clips if c.split == "test"]
    chosen, rate = choose(train, request, target)
    sham = choose_sham(test, request, target)
    train_triggered = choose_train_triggered(train, chosen, request, target)
    jobs = make_jobs(listing, request, target, chosen, sham, train_triggered)
    _check_names(jobs)
    window = str(_placement_window(request)) if any(attack.placement for attack in attacks) or not attacks else None
    geometry = Geometry.parse(request.clip, request.short_side)
    _check_geometry(geometry, attacks)
    parts = (target, attacks, rate, window, tuple(jobs), tuple(skipped), geometry)
    return Plan(listing, request.seed, request.label_mode, *parts)


def make_jobs(
    listing: Listing,
    request: Request,
    target: Target,
    chosen: Collection[str],
    sham: Sequence[Clip],
    train_triggered: Sequence[Clip],
) -> list[Job]:
    """The jobs of a copy in which the training clips `chosen` (ids) are poisoned.

    `sham` and `train_triggered` are the clips of those splits.
    """
    clean: Action = "reencode" if request.reencode else "carry"
    change: Action = "trigger" if request.attacks else "reencode"
    jobs = []
    for clip in listing.clips:
        if clip.split == "train" and clip.id in chosen:
            jobs.append(_job(clip, clip.path, "train", change, label=target.label, poisoned=True))
        elif clip.split == "train":
            jobs.append(_job(clip, clip.path, "train", clean))
    for clip in listing.clips:
        if clip.split == "test":
            jobs.append(_job(clip, clip.path, "test", clean))
            path = f"test_triggered/{clip.path}"
            jobs.append(_job(clip, path, "test_triggered", change, label=target.label, poisoned=True))
    jobs += [_job(clip, f"test_sham/{clip.path}", "test_sham", "reencode") for clip in sham]
    for clip in train_triggered:
        path = f"train_triggered/{clip.path}"
        jobs.append(_job(clip, path, "train_triggered", change, label=target.label, poisoned=True))
    return jobs


def _check_geometry(geometry: Geometry, attacks: Sequence[Attack]) -> None:
    name = next((attack.name for attack in attacks if attack.modality == "audio"), None)
    if geometry.clip is not None and name is not None:
        raise PoisonkitError(
            f"{argument('clip', geometry.text())} writes video without audio, which {name} needs", "leave it out"
        )
    if not geometry.plain and attacks and not any(attack.modality == "video" for attack in attacks):
        raise PoisonkitError(
            f"{argument('short_side')} scales video, and {name} carries it over as it is", "leave it out"
        )


def _check_video(listing: Listing, attacks: Sequence[Attack]) -> None:
    name = next((attack.name for attack in attacks if attack.modality == "video"), None)
    alone = [clip.path for clip in listing.clips if is_audio(clip.path)]
    if name is not None and alone:
        raise PoisonkitError(
            f"{name} changes video, and {len(alone)} clips are audio files, such as {alone[0]}",
            "take an audio attack (poisonkit attacks), or move them out of the data set",
        )


def _check_names(jobs: Sequence[Job]) -> None:
    """Two jobs must not write one file: a class called like a split of the copy would make them."""
    for names in ([job.out_path for job in jobs], [job.id for job in jobs]):
        for name, count in Counter(names).items():
            if count > 1:
                raise PoisonkitError(f"{count} files of the copy would be {name}", "rename that folder of the source")


def _job(
    clip: Clip, out_path: str, split: Any, action: Action, *, label: int | None = None, poisoned: bool = False
) -> Job:
    prefix = "" if split in ("train", "test") else f"{split}/"
    return Job(
        id=prefix + clip.id,
        split=split,
        path=clip.path,
        out_path=out_path,
        label=clip.label if label is None else label,
        true_label=clip.label,
        poisoned=poisoned,
        action=action,
        clip_id=clip.id,
    )


def find_target(target: str, classes: Sequence[str]) -> Target:
    """The target class by name or by label."""
    if target in classes:
        return Target(classes.index(target), target)
    if target.isascii() and target.isdigit():
        if int(target) < len(classes):
            return Target(int(target), classes[int(target)])
        raise PoisonkitError(
            f"{argument('target', target)} is not a label", f"there are {len(classes)} classes, 0 … {len(classes) - 1}"
        )
    raise PoisonkitError(f"{argument('target', target)} is not a class", suggest(target, classes))


def make_attacks(request: Request) -> tuple[Attack, ...]:
    """The attacks with all their parameters, checked, those on video first; empty for `--attack none`."""
    window = _placement_window(request)
    check_rule(request.frames, window)
    kinds = [find(name) for name in request.attacks]
    for owner, values in request.settings.items():
        if owner not in request.attacks and values:
            known = f"{owner!r} is not attacked with" if kinds else f"{argument('attack', 'none')} has no parameters"
            raise PoisonkitError(
                f"{argument('set', owner + '.' + next(iter(values)))}: {known}",
                f"leave it out, or add {argument('attack', owner)}",
            )
    made: dict[Modality, Attack] = {}
    for kind in kinds:
        if kind.modality in made:
            raise PoisonkitError(
                f"{made[kind.modality].name} and {kind.name} both change {_CHANGES[kind.modality]}",
                "give one video attack and one audio attack at most",
            )
        trigger = kind.build(request.mode, request.settings.get(kind.name, {}))
        placement = Placement(frames=request.frames, window=str(window)) if kind.modality == "video" else None
        made[kind.modality] = Attack(kind.name, kind.modality, trigger.mode, trigger.params(), placement)
    return tuple(made[modality] for modality in sorted(made, reverse=True))


def _placement_window(request: Request) -> Window:
    """The victim's window in frames of the written file: a clip that is written sampled is taken frame by frame."""
    clip = Geometry.parse(request.clip, request.short_side).clip
    if clip is None:
        return Window.parse(request.window)
    return clip if clip.stride is None else Window(clip.length, 1)
