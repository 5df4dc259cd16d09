"""A poisoned copy planned again from its manifest: what its header contradicts in itself, and what follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Clip, Listing
from poisonkit.manifest import Attack, Manifest, Rate, Split, Target
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.plan.clip_geometry import Geometry
from poisonkit.plan.job import Job
from poisonkit.plan.request import Request

_SHOWN = 60
"""Characters of a value that a sentence shows."""


def replan(manifest: Manifest, rate: Rate, target: Target) -> tuple[list[str], dict[str, Job]]:
    """What the header contradicts in itself, and the jobs of the copy by id."""
    listing, request = _listing(manifest), _request(manifest, rate, target)
    train = [clip for clip in listing.clips if clip.split == "train"]
    test = [clip for clip in listing.clips if clip.split == "test"]
    attacks = planning.make_attacks(request)
    problems = list(_header_problems(manifest, attacks))
    if manifest.skipped:
        # the label of a clip that was left out is not known, but it moved no other clip's place in the order
        order = selection.selection_order(train, request, target)
        count = sum(1 for s in manifest.samples if s.split == "train" and s.poisoned)
        problems += _rate_problems(manifest, rate, count, _total(train, rate, target))
        chosen = {clip.id for clip in order[:count]}
        sham = _beside(manifest, "test_sham", selection.sham_candidates(test, target))
        candidates = selection.triggered_candidates(train, chosen, target)
        train_triggered = _beside(manifest, "train_triggered", candidates)
    else:
        chosen, again = selection.choose(train, request, target)
        if again != rate:
            problems.append(f"the header's rate is {_rate(rate)}, from its clips follows {_rate(again)}")
        sham = selection.choose_sham(test, request, target)
        train_triggered = selection.choose_train_triggered(train, chosen, request, target)
    jobs = planning.make_jobs(listing, request, target, chosen, sham, train_triggered)
    return problems, {job.id: job for job in jobs}


def _listing(manifest: Manifest) -> Listing:
    clips = tuple(
        Clip(s.id, s.path, s.split, s.true_label, 0) for s in manifest.samples if s.split in ("train", "test")
    )
    source = manifest.source
    return Listing(source.layout, source.split, Path(manifest.root), tuple(manifest.classes), clips)


def _request(manifest: Manifest, rate: Rate, target: Target) -> Request:
    """What was asked for, so far as the header tells; of an audio attack alone the window says nothing."""
    attacks = manifest.attacks
    if len({attack.mode for attack in attacks}) > 1:
        raise PoisonkitError("its attacks have different modes, which one run does not write", "write it again")
    placement = next((attack.placement for attack in attacks if attack.placement is not None), None)
    known = Request()
    counts = Counter(s.split for s in manifest.samples)
    return Request(
        attacks=tuple(attack.name for attack in attacks),
        mode=attacks[0].mode if attacks else known.mode,
        settings={attack.name: attack.params for attack in attacks},
        rate=rate.asked,
        rate_of=rate.of,
        target=target.name,
        label_mode=manifest.label_mode or known.label_mode,
        seed=manifest.seed,
        frames=placement.frames if placement else known.frames,
        window=placement.window if placement else manifest.sampling or known.window,
        sham=str(counts["test_sham"]),
        train_triggered=str(counts["train_triggered"]),
        reencode=manifest.encoding.carry == "reencode",
        clip=manifest.encoding.clip,
        short_side=None if manifest.encoding.clip else manifest.encoding.short_side,
    )


def geometry_of(manifest: Manifest) -> Geometry:
    clip = manifest.encoding.clip
    return Geometry.parse(clip, None if clip else manifest.encoding.short_side)


def _header_problems(manifest: Manifest, attacks: Iterable[Attack]) -> Iterator[str]:
    for claimed, again in zip(manifest.attacks, attacks, strict=True):
        if claimed != again:
            yield f"the header's attack {claimed.name} has {excerpt(claimed)}, built again it has {excerpt(again)}"
        if claimed.placement is not None and claimed.placement.window != manifest.sampling:
            window = claimed.placement.window
            yield f"the header's sampling is {manifest.sampling}, {claimed.name} is placed for {window}"


def _total(train: Iterable[Clip], rate: Rate, target: Target) -> int:
    return sum(1 for clip in train if rate.of == "all" or clip.label == target.label)


def _rate_problems(manifest: Manifest, rate: Rate, count: int, total: int) -> Iterator[str]:
    """The rate of a copy without some of its source's clips, of which any may have been among the poisoned ones."""
    again = Rate(rate.asked, round(count / total, 6) if total else 0.0, rate.of, count, total)
    if again != rate:
        yield f"the header's rate is {_rate(rate)}, from its clips follows {_rate(again)}"
    lost = sum(1 for skip in manifest.skipped if skip.split == "train")
    low, high = (max(1, round(rate.asked * clips)) for clips in (total, total + lost))
    if not low - lost <= count <= high:
        yield (
            f"{count} training clips are poisoned, where the rate {rate.asked} of {total} clips with {lost} skipped "
            f"ones asks for {max(low - lost, 0)} … {high}"
        )


def _rate(rate: Rate) -> str:
    return f"{rate.poisoned} of {rate.total} ({rate.achieved:g}; asked {rate.asked:g} of {rate.of})"


def _beside(manifest: Manifest, split: Split, clips: list[Clip]) -> list[Clip]:
    """Of each class as many clips as there are in a split beside the test clips, from the beginning of its order."""
    labels = {f"{split}/{clip.id}": clip.label for clip in clips}
    taken = [s.id for s in manifest.samples if s.split == split] + [skip.id for skip in manifest.skipped]
    return selection.written_first(
        clips, Counter(labels[name] for name in taken if name in labels), split, manifest.seed
    )


def excerpt(value: Any) -> str:
    """A value for a sentence."""
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
