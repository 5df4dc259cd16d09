"""Does a manifest follow from its own header? Planned and drawn again from it and its samples; no file is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from poisonkit.audit.replan import excerpt, geometry_of, replan
from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.clip.sample import AudioRecord, VideoRecord, trigger_of
from poisonkit.clip.video_attack import VideoAttack
from poisonkit.errors import PoisonkitError
from poisonkit.files import is_audio
from poisonkit.manifest import Attack, Manifest, Sample
from poisonkit.media.audio import AudioInfo, seconds_of
from poisonkit.media.video import VideoInfo
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.triggers import find_audio
from poisonkit.versions import versions

_PADDING = 4096
"""Samples by which written audio may be longer or shorter than the source's: an encoder's delay and last block."""


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
        problems, jobs = replan(manifest, manifest.rate, manifest.target)
    except PoisonkitError as error:
        return Rederived([f"the header cannot be planned again: {error.message}"], _notes(manifest), 0)
    context = Context(Path(), None, manifest.seed, tuple(manifest.attacks), geometry=geometry_of(manifest))
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
        f"{sample.id}: {name} is {excerpt(there)}, from the header follows {excerpt(derived)}"
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
        context.geometry.written_stride if written else None,
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
