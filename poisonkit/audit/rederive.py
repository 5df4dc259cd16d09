"""Does a manifest follow from its own header? Planned and drawn again from it and its samples; no file is opened."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.clip.sample import AudioRecord, VideoRecord, trigger_of
from poisonkit.clip.video_attack import VideoAttack
from poisonkit.errors import PoisonkitError
from poisonkit.files import is_audio
from poisonkit.layouts import Clip, Listing
from poisonkit.manifest import Attack, Manifest, Rate, Sample, Target
from poisonkit.media.audio import AudioInfo, seconds_of
from poisonkit.media.video import VideoInfo
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.plan.clip_geometry import Geometry
from poisonkit.plan.job import Context, Job
from poisonkit.plan.request import Request
from poisonkit.text import argument
from poisonkit.triggers import find_audio
from poisonkit.versions import versions

_PADDING = 4096
"""Samples by which written audio may be longer or shorter than the source's: an encoder's delay and last block."""
_SHOWN = 60
"""Characters of a value that a sentence shows."""


@dataclass(frozen=True)
class Rederived:
    """`problems`: one sentence each; `notes`: what may explain them; `samples`: how many were derived again."""

    problems: list[str]
    notes: list[str]
    samples: int


def rederive(manifest: Manifest) -> Rederived:
    """Plan a poisoned copy again from its header and its clips, and compare.

    Raises `PoisonkitError` for a manifest of which nothing was drawn.
    """
    if manifest.rate is None or manifest.target is None or manifest.label_mode is None:
        raise PoisonkitError(
            f"{manifest.name} is no manifest of a poisoned copy as `poisonkit poison` writes it, so that nothing can "
            "be derived again",
            f"leave out {argument('rederive')}",
        )
    try:
        problems, jobs = _plan(manifest, manifest.rate, manifest.target)
    except PoisonkitError as error:
        return Rederived([f"the header cannot be planned again: {error.message}"], _notes(manifest), 0)
    context = Context(Path(), None, manifest.seed, tuple(manifest.attacks), geometry=_geometry(manifest))
    by_id = {sample.id: sample for sample in manifest.samples}
    carried = manifest.encoding.carry != "reencode"
    for sample in manifest.samples:
        job = jobs.get(sample.id)
        if job is None:
            problems.append(f"{sample.id}: is in no plan that follows from the header")
            continue
        source = by_id.get(job.clip_id) if carried and job.split == "test_triggered" else None
        problems += _differences(sample, job, context, source)
    missing = jobs.keys() - by_id.keys() - {skip.id for skip in manifest.skipped}
    problems += [f"{name}: follows from the header, but is not there" for name in sorted(missing)]
    return Rederived(problems, _notes(manifest), len(manifest.samples))


def _notes(manifest: Manifest) -> list[str]:
    here = versions()
    return [
        f"the manifest was made with {name} {manifest.created_with.get(name, 'of no known version')}, here is {version}"
        for name, version in here.items()
        if manifest.created_with.get(name) != version
    ]


# --- the plan -------------------------------------------------------------------------------------


def _plan(manifest: Manifest, rate: Rate, target: Target) -> tuple[list[str], dict[str, Job]]:
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
        chosen, sham = {clip.id for clip in order[:count]}, _sham(manifest, test, request, target)
    else:
        chosen, again = selection.choose(train, request, target)
        if again != rate:
            problems.append(f"the header's rate is {_rate(rate)}, from its clips follows {_rate(again)}")
        sham = selection.choose_sham(test, request, target)
    return problems, {job.id: job for job in planning.make_jobs(listing, request, target, chosen, sham)}


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
    sham = sum(1 for s in manifest.samples if s.split == "test_sham")
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
        sham=str(sham),
        reencode=manifest.encoding.carry == "reencode",
        clip=manifest.encoding.clip,
        short_side=None if manifest.encoding.clip else manifest.encoding.short_side,
    )


def _geometry(manifest: Manifest) -> Geometry:
    clip = manifest.encoding.clip
    return Geometry.parse(clip, None if clip else manifest.encoding.short_side)


def _header_problems(manifest: Manifest, attacks: Iterable[Attack]) -> Iterator[str]:
    for claimed, again in zip(manifest.attacks, attacks, strict=True):
        if claimed != again:
            yield f"the header's attack {claimed.name} has {_shown(claimed)}, built again it has {_shown(again)}"
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


def _sham(manifest: Manifest, test: list[Clip], request: Request, target: Target) -> list[Clip]:
    """Of each class as many sham clips as there are, from the beginning of its order."""
    order = selection.sham_order(test, request, target)
    labels = {f"test_sham/{clip.id}": clip.label for members in order.values() for clip in members}
    taken = [s.id for s in manifest.samples if s.split == "test_sham"] + [skip.id for skip in manifest.skipped]
    counts = Counter(labels[name] for name in taken if name in labels)
    return [clip for label, members in order.items() for clip in members[: counts[label]]]


# --- one clip -------------------------------------------------------------------------------------


def _differences(sample: Sample, job: Job, context: Context, source: Sample | None) -> list[str]:
    """What of a sample does not follow from the header, a sentence each. `source`: its clip, where that is carried."""
    facts: dict[str, tuple[Any, Any]] = {
        name: (getattr(sample, name), getattr(job, name)) for name in ("split", "label", "true_label", "poisoned")
    }
    facts["path"] = (sample.path, job.out_path)
    if sample.poisoned == job.poisoned:  # else all that follows differs, too
        try:
            derived = _derived(sample, job, context, source)
        except PoisonkitError as error:
            return [f"{sample.id}: cannot be derived again: {error.message}"]
        claimed = _flat(sample.frames, sample.window_count, sample.audio_spans, sample.stride, sample.trigger)
        facts |= {name: (claimed.get(name), derived.get(name)) for name in sorted({*claimed, *derived})}
    return [
        f"{sample.id}: {name} is {_shown(there)}, from the header follows {_shown(derived)}"
        for name, (there, derived) in facts.items()
        if there != derived
    ]


def _flat(
    frames: list[tuple[int, int, int]],
    window_count: int | None,
    audio_spans: list[tuple[float, float]],
    stride: int | None,
    trigger: dict[str, Any],
) -> dict[str, Any]:
    """Placement and draws under one name each."""
    flat: dict[str, Any] = {
        "frames": frames,
        "window_count": window_count,
        "audio_spans": audio_spans,
        "stride": stride,
    }
    for name, value in trigger.items():
        if name == "audio" and isinstance(value, dict):
            flat |= {f"trigger.audio.{part}": drawn for part, drawn in value.items()}
            flat["trigger.audio"] = True
        else:
            flat[f"trigger.{name}"] = value
    return flat


def _derived(sample: Sample, job: Job, context: Context, source: Sample | None) -> dict[str, Any]:
    """Placement and draws of a clip of the same form, made again."""
    written = job.action in ("trigger", "reencode") and "video" in context.rewritten(job)
    sampled = context.geometry.clip is not None and context.geometry.clip.stride is not None
    video, audio = VideoRecord(), AudioRecord()
    if job.action == "trigger" and context.attack("video") is not None:
        if min(sample.num_frames, sample.width, sample.height) < 1:
            raise PoisonkitError("it has no video", "write the copy again")
        video = VideoAttack(job, context, _video(sample)).record()
    attack = context.attack("audio")
    if job.action == "trigger" and attack is not None:
        audio = _audio_record(sample, job, context, attack, source)
    return _flat(
        video.frames,
        video.window_count,
        audio.spans,
        1 if written and sampled else None,
        trigger_of(video, audio),
    )


def _video(sample: Sample) -> VideoInfo:
    """What placement and draws go by: frames and size; the rest says nothing."""
    one = Fraction(1)
    frames = tuple(range(sample.num_frames))
    return VideoInfo("", "", sample.width, sample.height, one, one, 0, frames, 0, 0, None, ())


def _audio_record(sample: Sample, job: Job, context: Context, attack: Attack, source: Sample | None) -> AudioRecord:
    """Span and draws of the audio, for the length of the source's that the span claims, where it can be."""
    if not sample.sample_rate or not sample.num_samples:
        raise PoisonkitError("it has no audio", "write the copy again")
    known = source.num_samples if source is not None and is_audio(source.path) else None
    record = AudioRecord()
    for num_samples in [known] if known else _lengths(sample, attack):
        info = AudioInfo("", "", sample.sample_rate, "", sample.channels or 0, 0, num_samples)
        record = AudioAttack(job, context, info).record()
        if record.drawn == sample.trigger.get("audio"):
            break
    return record


def _lengths(sample: Sample, attack: Attack) -> list[int]:
    """Lengths of the source's audio, in samples, from which the claimed span follows; that of the file if none is.

    The file's own may differ by an encoder's padding.
    """
    rate, total = sample.sample_rate or 0, sample.num_samples or 0
    if len(sample.audio_spans) != 1:
        return [total]
    trigger = find_audio(attack.name).build(attack.mode, attack.params)
    guess = round(sample.audio_spans[0][1] * rate / trigger.stop)
    near = math.ceil(1 / trigger.stop) + 1
    found = [
        n
        for n in range(max(guess - near, total - _PADDING, 1), min(guess + near, total + _PADDING) + 1)
        if tuple(seconds_of(place, rate) for place in trigger.span(n)) == sample.audio_spans[0]
    ]
    return found or [total]


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
