"""A few clips of a manifest as the page shows them: clean, triggered, and what lies between."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from markupsafe import Markup

from trainer.data.crops import Frames
from trainer.errors import ClipError
from trainer.evaluation import example_clips
from trainer.evaluation.example_clips import Example
from trainer.manifest import Manifest, Sample
from trainer.manifest.attack_details import ClipDetails
from trainer.report import drawings, media
from trainer.report.media import Budget, Sound
from trainer.report.reading import Source

SHORTEST = 0.5
"""Seconds of audio under which there is nothing to hear."""
FULL = "The page's room for clips is used up."


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, with its caption and its size in pixels."""

    title: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Film:
    """A video as a data URI, with the picture to show before it plays; `seconds` of the clip, `whole`: all of it."""

    uri: str
    poster: str
    width: int
    height: int
    seconds: float
    whole: bool


@dataclass(frozen=True)
class Shown:
    """One clip; `seconds` of its audio; `problem` says in a sentence why something is not there."""

    name: str
    true_class: str
    pictures: tuple[Picture, ...] = ()
    frame: int | None = None
    factor: int = 1
    film: Film | None = None
    sounds: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0
    spectrogram: Markup | None = None
    problem: str = ""


def show(source: Source, count: int, budget: Budget) -> list[Shown]:
    """Up to `count` clips of a manifest, as much of each as the budget holds; missing files become sentences."""
    if source.manifest is None or source.manifest.target is None:
        return []
    chosen = [e for e in example_clips.choose(source.manifest, count) if e.triggered is not None]
    shown = []
    for k, example in enumerate(chosen):
        part = Budget(budget.left // (len(chosen) - k))
        before = part.left
        try:
            one = _seen(source, example, part) if source.modality == "video" else _heard(source, example, part)
        except ClipError as error:
            one = replace(_named(source.manifest, example), problem=f"This clip cannot be shown: {error.fact}.")
        budget.left -= before - part.left
        shown.append(one)
    return shown


def _named(manifest: Manifest, example: Example) -> Shown:
    return Shown(example.name, manifest.classes[example.true_label])


def _sides(manifest: Manifest, example: Example) -> tuple[Sample, Sample]:
    if example.clean is None or example.triggered is None:
        raise ClipError("the manifest has no clean copy of it", "poison the data set again")
    return example.clean, example.triggered


def _seen(source: Source, example: Example, budget: Budget) -> Shown:
    manifest = source.manifest
    if manifest is None:
        raise ClipError("there is no manifest", "put it back")
    clean, triggered = _sides(manifest, example)
    details = source.details.clip(triggered.id) if source.details else None
    fps = details.fps if details and details.fps > 0 else 25.0
    most = min(media.FRAMES, max(round(media.SECONDS * fps), 1))
    count = min(clean.num_frames, triggered.num_frames, most)
    indices = np.arange(count)
    before, after = (
        media.read_frames(manifest.file_of(s), s.num_frames, indices, media.PICTURE_SIDE) for s in (clean, triggered)
    )
    before = _fitted(before, after)
    found = _named(manifest, example)
    same = clean.num_frames == triggered.num_frames and triggered.stride is None
    frame = _frame(before, after, details) if same else count // 2
    pictures = [embedded("clean", before[frame], budget), embedded("triggered", after[frame], budget)]
    factor = 1
    if same:
        change = media.difference(before[frame], after[frame])
        factor = change.factor
        pictures.append(embedded(f"difference × {factor}", change.change, budget))
    kept = tuple(picture for picture in pictures if picture is not None)
    whole = count == max(clean.num_frames, triggered.num_frames)
    film = _film(before, after, fps, whole, budget)
    problem = FULL if film is None or len(kept) < len(pictures) else ""
    if not same:
        problem += " The triggered file was written already sampled, so that its frames are not those of the clean one."
    return replace(found, pictures=kept, frame=frame, factor=factor, film=film, problem=problem.strip())


def _frame(before: Frames, after: Frames, details: ClipDetails | None) -> int:
    """The frame that the trigger changes most, among those that it is said to change."""
    placed = {k for run in (details.frames if details else []) if len(run) == 3 for k in range(*run)}
    among = [k for k in range(len(before)) if k in placed] or list(range(len(before)))
    changes = [float(np.abs(after[k].astype(np.int16) - before[k]).mean()) for k in among]
    return among[int(np.argmax(changes))]


def _fitted(before: Frames, after: Frames) -> Frames:
    """Clean frames at the size of the triggered ones, which may have been scaled before the trigger went in."""
    height, width = after.shape[1:3]
    if before.shape[1:3] == (height, width):
        return before
    return np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA) for frame in before])


def embedded(title: str, picture: Frames, budget: Budget) -> Picture | None:
    """A picture `uint8 (H, W, 3)` for the page, None where it does not fit."""
    uri = budget.embed("image/webp", media.webp(picture))
    return None if uri is None else Picture(title, uri, picture.shape[1], picture.shape[0])


def _film(before: Frames, after: Frames, fps: float, whole: bool, budget: Budget) -> Film | None:
    scale = min(media.FILM_SIDE / min(before.shape[1:3]), 1.0)
    size = (max(round(before.shape[2] * scale), 2), max(round(before.shape[1] * scale), 2))
    small = [_scaled(part, size) for part in (before, after)]
    both = media.halves(*small)
    poster = budget.embed("image/webp", media.webp(both[0], quality=70))
    content = media.film(both, fps, budget.left * 3 // 4 - 64)  # base64 takes a third more
    uri = budget.embed("video/mp4", content) if content else None
    if uri is None or poster is None:
        return None
    return Film(uri, poster, both.shape[2], both.shape[1], len(both) / fps, whole)


def _scaled(frames: Iterable[Frames], size: tuple[int, int]) -> Frames:
    return np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_AREA) for frame in frames])


def _heard(source: Source, example: Example, budget: Budget) -> Shown:
    manifest = source.manifest
    if manifest is None:
        raise ClipError("there is no manifest", "put it back")
    sides = _sides(manifest, example)
    (clean, rate), (triggered, other) = (media.read_audio(manifest.file_of(sample)) for sample in sides)
    found = _named(manifest, example)
    sounds, seconds = _playable([(clean, rate), (triggered, other)], budget)
    spectrogram = None
    if rate == other:
        label = f"spectrograms of {example.name}, clean and triggered"
        spectrogram = drawings.spectrograms(clean, triggered, rate, label)
    return replace(
        found, sounds=sounds, seconds=seconds, spectrogram=spectrogram, problem="" if len(sounds) == 2 else FULL
    )


def _playable(heard: list[tuple[Sound, int]], budget: Budget) -> tuple[tuple[tuple[str, str], ...], float]:
    """Clean and triggered audio as data URIs, both as long as fits; and how many seconds that is."""
    seconds = max(len(sound) / rate for sound, rate in heard)
    while seconds >= SHORTEST:
        coded = [media.flac(sound[: round(seconds * rate)], rate) for sound, rate in heard]
        if sum(map(len, coded)) * 4 // 3 + 100 <= budget.left:
            named = zip(("clean", "triggered"), coded, strict=True)
            return tuple((title, budget.embed("audio/flac", content) or "") for title, content in named), seconds
        seconds /= 2
    return (), 0.0
