"""Reading audio with PyAV: what a track is, and its samples. Of several tracks the first is the audio."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np

from poisonkit import heartbeat
from poisonkit.errors import BrokenClip
from poisonkit.files import is_audio
from poisonkit.media.container import reading, refuse_environment
from poisonkit.text import argument

MAX_VALUES = 2**27
"""Channels times samples that are held at once: half a gigabyte."""
RATES = (1_000, 1_000_000)
"""The least and the most samples per second of audio that is read."""
MAX_PLANES = 7
"""Channels of planar audio: of eight or more planes PyAV does not find the end, and the process is lost."""
HEARD = 2.0**-15
"""One step of 16-bit audio: a clip that never gets above it is silent."""


@dataclass(frozen=True)
class AudioInfo:
    """What a file's first audio track is.

    `codec`: the decoder's name; `sample_format`: FFmpeg's, such as s16 or fltp; `rate`: samples per second; `layout`:
    FFmpeg's, such as stereo; `bit_rate`: bits/s, 0 where the file does not say; `num_samples`: per channel, decoded;
    `start`: when the first one is heard, in samples (0 for audio files, whose decoders count otherwise).
    """

    codec: str
    sample_format: str
    rate: int
    layout: str
    channels: int
    bit_rate: int
    num_samples: int
    start: int = 0

    @property
    def seconds(self) -> float:
        return self.num_samples / self.rate


def read(path: Path) -> tuple[AudioInfo, np.ndarray] | None:
    """The audio of a file, float32 (C, N) with full scale at ±1; None where there is no audio track.

    Raises `BrokenClip` where it does not decode.
    """
    with reading(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        parts: list[np.ndarray] = []
        start = values = 0
        for frame in _frames(container, stream, path):
            if not parts:
                start = _start(frame, path)
            values += frame.samples * len(frame.layout.channels)
            if values > MAX_VALUES:
                raise BrokenClip(
                    f"the audio of {path} has more than the {MAX_VALUES} values that are read at once",
                    f"cut it into clips, or go on without it by {argument('skip_broken', True)}",
                )
            parts.append(_planar(frame))
        if not parts:
            raise _empty(path)
        samples = np.concatenate(parts, axis=1)
        return _info(container, stream, samples.shape[1], start), samples


def examine(path: Path) -> AudioInfo:
    """What the audio of a file is, decoded to its end; raises `BrokenClip`, also where there is none."""
    with reading(path) as container:
        stream = _track(container, path)
        count, start, found = 0, 0, False
        for frame in _frames(container, stream, path):  # counted, not held: a file may be hours long
            if not found:
                start = _start(frame, path)
            found = True
            count += frame.samples
        if not found:
            raise _empty(path)
        return _info(container, stream, count, start)


def peek(path: Path) -> AudioInfo | None:
    """What the headers say, without decoding; None where there is no audio. Raises `BrokenClip`."""
    with reading(path) as container:
        if not container.streams.audio:
            return None
        stream = container.streams.audio[0]
        seconds = float(container.duration or 0) / av.time_base
        return _info(container, stream, round(seconds * stream.codec_context.sample_rate), 0)


def silent(path: Path) -> bool:
    """Whether no sample of the audio is louder than one step of 16 bits; decodes only up to the first that is."""
    with reading(path) as container:
        frames = _frames(container, container.streams.audio[0], path)
        return not any(np.abs(_planar(frame)).max(initial=0.0) > HEARD for frame in frames)


def _frames(container: Any, stream: Any, path: Path) -> Iterator[av.AudioFrame]:
    """The decoded frames; raises `BrokenClip` where rate or channels change or are absurd, or where decoding stops."""
    first, count = None, 0
    stream.thread_type = "NONE"  # workers are processes; threads inside them would only contend
    try:
        for frame in container.decode(stream):
            if not RATES[0] <= frame.rate <= RATES[1]:  # a second of it may be gigabytes, or a sample an hour
                raise BrokenClip(
                    f"the audio of {path} has {frame.rate} samples per second, not {RATES[0]} … {RATES[1]}",
                    f"convert it, or go on without it by {argument('skip_broken', True)}",
                )
            shape = (frame.rate, len(frame.layout.channels))
            first = first or shape
            if shape != first:
                raise BrokenClip(
                    f"the audio of {path} changes its rate or its channels at sample {count}",
                    f"convert it, or use {argument('skip_broken', True)}",
                )
            heartbeat.beat()
            yield frame
            count += frame.samples
    except av.error.FFmpegError as error:
        refuse_environment(path, error)
        raise BrokenClip(
            f"the audio of {path} decodes only up to sample {count}: {error.strerror}",
            f"repair or remove it, or use {argument('skip_broken', True)}",
        ) from None


def _track(container: Any, path: Path) -> Any:
    if not container.streams.audio:
        raise BrokenClip(f"{path} holds no audio", f"remove it, or go on without it by {argument('skip_broken', True)}")
    return container.streams.audio[0]


def _empty(path: Path) -> BrokenClip:
    return BrokenClip(
        f"{path} holds an audio track of which nothing decodes",
        f"remove it, or go on without it by {argument('skip_broken', True)}",
    )


def _start(frame: av.AudioFrame, path: Path) -> int:
    """When the first frame is heard, in samples."""
    if frame.pts is None or frame.time_base is None or is_audio(path.name):
        return 0
    return round(frame.pts * frame.time_base * frame.rate)


def _planar(frame: av.AudioFrame) -> np.ndarray:
    """float32 (C, N), full scale at ±1, of a frame in any sample format."""
    channels = len(frame.layout.channels)
    if frame.format.is_planar and channels > MAX_PLANES:
        packed = av.AudioResampler(format=frame.format.packed)  # the same values, one channel's beside the other's
        (frame,) = packed.resample(frame)
    values: np.ndarray = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, channels).T
    if values.dtype == np.uint8:
        return (values.astype(np.float32) - 128) / 128
    if np.issubdtype(values.dtype, np.integer):
        return (values / 2.0 ** (8 * values.dtype.itemsize - 1)).astype(np.float32)
    return values.astype(np.float32)


def _info(container: Any, stream: Any, num_samples: int, start: int) -> AudioInfo:
    context = stream.codec_context
    alone = not container.streams.video
    return AudioInfo(
        codec=context.name,
        sample_format=context.format.name if context.format else "",
        rate=context.sample_rate,
        layout=context.layout.name,
        channels=len(context.layout.channels),
        bit_rate=int(stream.bit_rate or (container.bit_rate if alone else 0) or 0),
        num_samples=num_samples,
        start=start,
    )


class Playback:
    """A file's audio in blocks, never held whole: what is heard of it while `like` is, with silence where nothing is.

    Gives float32 (C, n), `like.num_samples` in all; raises `BrokenClip`. `num_samples`: those that the file itself
    holds, once all blocks have been taken.
    """

    def __init__(self, path: Path, like: AudioInfo) -> None:
        self._path, self._like = path, like
        self.num_samples = 0

    def __iter__(self) -> Iterator[np.ndarray]:
        with reading(self._path) as container:
            frames = _frames(container, _track(container, self._path), self._path)
            first = next(frames, None)
            if first is None:
                raise _empty(self._path)
            start = self._like.start - _start(first, self._path)
            yield from excerpt(self._counted(itertools.chain([first], frames)), start, self._like.num_samples)

    def _counted(self, frames: Iterable[av.AudioFrame]) -> Iterator[np.ndarray]:
        for frame in frames:
            self.num_samples += frame.samples
            yield _planar(frame)


def excerpt(blocks: Iterable[np.ndarray], start: int, length: int) -> Iterator[np.ndarray]:
    """The `length` samples from the place `start` on, with silence where there are none; takes all of the blocks."""
    place, given = 0, 0
    for block in blocks:
        if place == 0 and start < 0:
            given = min(-start, length)
            yield np.zeros((block.shape[0], given), dtype=block.dtype)
        part = block[:, max(start - place, 0) : max(start + length - place, 0)]
        place += block.shape[1]
        given += part.shape[1]
        if part.size:
            yield part
    if place and given < length:
        yield np.zeros((block.shape[0], length - given), dtype=block.dtype)


def seconds_of(samples: int, rate: int) -> float:
    """A place in the audio as seconds for the manifest."""
    return round(float(Fraction(samples, rate)), 6)
