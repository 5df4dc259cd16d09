"""Reading video files with PyAV: what a file is, its frames, and RGB."""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error

from poisonkit import heartbeat
from poisonkit.errors import BrokenClip
from poisonkit.media.container import check_size, holdable, reading, refuse_environment, video_stream
from poisonkit.text import argument

av.logging.set_level(av.logging.PANIC)  # damaged packets are reported as errors of ours, not printed by FFmpeg


@dataclass(frozen=True)
class VideoInfo:
    """What a file's headers say, and how many frames really decode.

    `fps`: frames per second; `bit_rate`: of the video, bits/s; `pts`: time stamps of the decoded frames in units of
    `time_base` seconds, strictly increasing (renumbered where the file's own are not, as in many AVI files);
    `rotation`: degrees by which players turn the pictures; `cut`: whether frames at the end were left out.
    """

    codec: str
    pix_fmt: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    bit_rate: int
    pts: Sequence[int]
    colorspace: int
    color_range: int
    aspect: Fraction | None
    audio: tuple[str, ...]
    rotation: int = 0
    cut: bool = False

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    def first(self, count: int) -> VideoInfo:
        """The same clip cut to its first `count` frames."""
        return dataclasses.replace(self, pts=self.pts[:count], cut=count < len(self.pts))


def decode(path: Path) -> Iterator[av.VideoFrame]:
    """All frames that decode, in order of presentation; raises `BrokenClip` at the first one that does not."""
    with reading(path) as container:
        yield from _frames(container, video_stream(container, path), path)


def _frames(container: Any, stream: Any, path: Path) -> Iterator[av.VideoFrame]:
    count, size = 0, None
    try:
        for frame in container.decode(stream):
            check_size(path, frame.width, frame.height)
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise BrokenClip(
                    f"{path} changes its frame size at frame {count}",
                    f"convert it to one size, or use {argument('skip_broken', True)}",
                )
            heartbeat.beat()
            yield frame
            count += 1
    except av.error.FFmpegError as error:
        refuse_environment(path, error)
        raise BrokenClip(
            f"{path} decodes only up to frame {count}: {error.strerror}",
            f"repair or remove it, or use {argument('skip_broken', True)}",
        ) from None


class Held:
    """The frames of a clip that was examined, so that a short one need not be decoded twice; a long one is not held."""

    def __init__(self, path: Path, times: int = 1) -> None:
        self._path, self._times, self._bytes = path, times, 0
        self._frames: deque[av.VideoFrame] | None = deque()

    def add(self, frame: av.VideoFrame) -> None:
        """Hold one more frame, or none any longer."""
        self._bytes += sum(plane.buffer_size for plane in frame.planes)
        if not holdable(self._bytes):
            self._frames = None
        if self._frames is not None:
            self._frames.append(frame)

    def frames(self) -> Iterator[av.VideoFrame]:
        """All frames in order, as often as was said; those that were held are let go the last time."""
        if self._frames is None:
            yield from decode(self._path)
            return
        self._times -= 1
        if self._times > 0:
            yield from tuple(self._frames)
            return
        while self._frames:
            yield self._frames.popleft()


def examine(path: Path, held: Held | None = None) -> VideoInfo:
    """Decode the whole file and say what it is; raises `BrokenClip`. Its frames may be `held`."""
    pts, rotation = [], 0
    with reading(path) as container:
        stream = video_stream(container, path)
        for frame in _frames(container, stream, path):
            rotation = rotation or frame.rotation
            pts.append(frame.pts)
            if held is not None:
                held.add(frame)
        if not pts:
            raise BrokenClip(
                f"{path} holds no frame that decodes",
                f"remove it, or go on without it by {argument('skip_broken', True)}",
            )
        return dataclasses.replace(_info(container, stream, path, pts), rotation=rotation)


def count_packets(path: Path) -> int:
    """How many frames a file holds, counted by its packets without decoding them; raises `BrokenClip`."""
    with reading(path) as container:
        return sum(_shown(packet) for packet in container.demux(video_stream(container, path)))


def _shown(packet: Any) -> bool:
    """Whether a packet is of a frame that decoders give out; an edit list leaves some out."""
    heartbeat.beat()
    return packet.size > 0 and not packet.is_discard


def peek(path: Path) -> VideoInfo:
    """What the headers say, without decoding: `pts` is as long as the header's count. Raises `BrokenClip`."""
    with reading(path) as container:
        stream = video_stream(container, path)
        seconds = float(container.duration or 0) / av.time_base
        count = stream.frames or round(seconds * float(stream.average_rate or 0))
        return _info(container, stream, path, range(max(count, 0)))


def _info(container: Any, stream: Any, path: Path, pts: Sequence[int | None]) -> VideoInfo:
    context = stream.codec_context
    fps = Fraction(stream.average_rate or stream.guessed_rate or 25)
    time_base = Fraction(stream.time_base)
    times: Sequence[int]
    if isinstance(pts, range):
        times = pts  # a header's count, which may be a billion
    else:
        known = [p for p in pts if p is not None]
        increasing = len(known) == len(pts) and all(a < b for a, b in itertools.pairwise(known))
        times = tuple(known) if increasing else range(len(pts))
        if not increasing:
            time_base = 1 / fps
    if container.format.name == "avi":
        time_base, times = 1 / fps, range(len(pts))
    bit_rate = stream.bit_rate or container.bit_rate or round(path.stat().st_size * 8 * float(fps) / max(len(pts), 1))
    aspect = context.sample_aspect_ratio
    return VideoInfo(
        codec=context.name,
        pix_fmt=context.pix_fmt or "",
        width=stream.width,
        height=stream.height,
        fps=fps,
        time_base=time_base,
        bit_rate=int(bit_rate),
        pts=times if isinstance(pts, range) else tuple(times),
        colorspace=int(context.colorspace),
        color_range=int(context.color_range),
        aspect=Fraction(aspect) if aspect else None,
        audio=tuple(s.codec_context.name for s in container.streams.audio),
    )
