"""Reading video files with PyAV: what a file is, its frames, and RGB."""

from __future__ import annotations

import dataclasses
import errno
import itertools
import stat
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

from poisonkit.errors import BrokenClip
from poisonkit.workers import watchdog

av.logging.set_level(av.logging.PANIC)  # damaged packets are reported as errors of ours, not printed by FFmpeg

MAX_PIXELS = 2**26
"""Of a frame: larger ones are refused before memory is taken for them."""

HELD_BYTES = 96 * 2**20
"""Of a clip's decoded frames that are held: 290 frames of 640×360; of its packets likewise."""

# what the machine and not the file is to blame for; a run must not pass over clips because of it. ENOMEM is not among
# them: FFmpeg says so of headers that claim absurd sizes, and where memory is really short Python says so itself
_ENVIRONMENT = frozenset(
    getattr(errno, name) for name in ("ENOENT", "EACCES", "EPERM", "ESTALE", "ENOTCONN", "ENOSPC", "EMFILE", "ENFILE")
)

# only demuxers of real media files: a playlist or a script named .avi must not make FFmpeg open other files
READ_OPTIONS = {
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,flv,asf,wav,flac,ogg,mp3",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),  # also while FFmpeg looks into the first packets
}

LENIENT: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
"""Some real files hold metadata that is not UTF-8; PyAV reads them since its version 19, and had to be told before."""


@dataclass(frozen=True)
class VideoInfo:
    """What a file's headers say, and how many frames really decode.

    `fps`: frames per second; `bit_rate`: of the pictures, bits/s; `pts`: time stamps of the decoded frames in units of
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
    sound: tuple[str, ...]
    rotation: int = 0
    cut: bool = False

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    def first(self, count: int) -> VideoInfo:
        """The same clip cut to its first `count` frames."""
        return dataclasses.replace(self, pts=self.pts[:count], cut=count < len(self.pts))


def open_media(path: Path) -> Any:
    """The container of a media file; nothing but files of real media formats is ever opened."""
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device might never end
        raise BrokenClip(f"{path} is no regular file; put the clip itself there, or go on without it by --skip-broken")
    return av.open(str(path), options=READ_OPTIONS, **LENIENT)


@contextmanager
def reading(path: Path) -> Iterator[Any]:
    """The opened container of a media file; whatever its data do not allow to be read is a `BrokenClip`.

    What the file system does not allow stays an `OSError`, so that `--skip-broken` does not skip it.
    """
    try:
        with open_media(path) as container:
            yield container
    except (av.error.FFmpegError, ValueError) as error:
        refuse_environment(path, error)
        reason = getattr(error, "strerror", None) or str(error)
        raise BrokenClip(
            f"{path} cannot be decoded: {reason}; repair or remove it, or go on without it by --skip-broken"
        ) from None


def refuse_environment(path: Path, error: Exception) -> None:
    """Raise an `OSError` where the machine is to blame for an error of FFmpeg's, and not the data."""
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
        raise OSError(error.errno, error.strerror, str(path)) from None
    if isinstance(error, OSError) and error.errno == errno.EIO:  # FFmpeg says so of damaged files too
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BrokenClip(
            f"{path} has frames of {width}×{height} pixels, more than the {MAX_PIXELS} that are read; scale it down, "
            f"or go on without it by --skip-broken"
        )


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise BrokenClip(f"{path} holds no pictures; remove it, or go on without it by --skip-broken")
    stream = container.streams.video[0]
    _check_size(path, stream.width, stream.height)
    # a header may lie: the decoder is told as well
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "NONE"  # workers are processes; threads inside them would only contend
    return stream


def decode(path: Path) -> Iterator[av.VideoFrame]:
    """All frames that decode, in order of presentation; raises `BrokenClip` at the first one that does not."""
    with reading(path) as container:
        yield from _frames(container, _video_stream(container, path), path)


def _frames(container: Any, stream: Any, path: Path) -> Iterator[av.VideoFrame]:
    count, size = 0, None
    try:
        for frame in container.decode(stream):
            _check_size(path, frame.width, frame.height)
            size = size or (frame.width, frame.height)
            if (frame.width, frame.height) != size:
                raise BrokenClip(
                    f"{path} changes its frame size at frame {count}; convert it to one size, or use --skip-broken"
                )
            watchdog.alive()
            yield frame
            count += 1
    except av.error.FFmpegError as error:
        refuse_environment(path, error)
        raise BrokenClip(
            f"{path} decodes only up to frame {count}: {error.strerror}; repair or remove it, or use --skip-broken"
        ) from None


class Held:
    """The frames of a clip that was examined, so that a short one need not be decoded twice; a long one is not held."""

    def __init__(self, path: Path, times: int = 1) -> None:
        self._path, self._times, self._bytes = path, times, 0
        self._frames: deque[av.VideoFrame] | None = deque()

    def add(self, frame: av.VideoFrame) -> None:
        """Hold one more frame, or none any longer."""
        self._bytes += sum(plane.buffer_size for plane in frame.planes)
        if self._bytes > HELD_BYTES:
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
        stream = _video_stream(container, path)
        for frame in _frames(container, stream, path):
            rotation = rotation or frame.rotation
            pts.append(frame.pts)
            if held is not None:
                held.add(frame)
        if not pts:
            raise BrokenClip(f"{path} holds no frame that decodes; remove it, or go on without it by --skip-broken")
        return dataclasses.replace(_info(container, stream, path, pts), rotation=rotation)


def count_packets(path: Path) -> int:
    """How many frames a file holds, told from its packets without decoding them; raises `BrokenClip`."""
    with reading(path) as container:
        return sum(_shown(packet) for packet in container.demux(_video_stream(container, path)))


def _shown(packet: Any) -> bool:
    """Whether a packet is of a frame that decoders give out; an edit list leaves some out."""
    watchdog.alive()
    return packet.size > 0 and not packet.is_discard


class Picked:
    """The `wanted` frames of a file, each with its number, in order; raises `BrokenClip`.

    Of H.264 what no other frame is predicted from is not decoded, unless it is wanted. Once all have been taken,
    `count` is how many frames the file holds, and `missing` are wanted ones that it did not give.
    """

    def __init__(self, path: Path, wanted: Collection[int]) -> None:
        self._path, self._wanted = path, wanted
        self.count, self.missing = 0, set(wanted)

    def __iter__(self) -> Iterator[tuple[int, av.VideoFrame]]:
        for k, frame in self._found():
            self.missing.discard(k)
            yield k, frame

    def _found(self) -> Iterator[tuple[int, av.VideoFrame]]:
        with reading(self._path) as container:
            stream = _video_stream(container, self._path)
            if Picker.skips(stream.codec_context) and self._path.stat().st_size <= HELD_BYTES:
                packets = list(container.demux(stream))
                times = [packet.pts for packet in packets if _shown(packet)]
                if None not in times and len(set(times)) == len(times):
                    times.sort()
                    self.count = len(times)
                    picker = Picker(stream.codec_context, {times[k]: k for k in self._wanted if k < len(times)})
                    for packet in packets:
                        yield from picker.decode(packet)
                    return
        for k, frame in enumerate(decode(self._path)):
            self.count = k + 1
            if k in self._wanted:
                yield k, frame


class Picker:
    """A decoder that gives the frames `asked` for, time stamps with numbers; H.264's leaves out what it can."""

    def __init__(self, decoder: Any, asked: Mapping[int, int]) -> None:
        self._decoder, self._asked, self._may_skip = decoder, asked, self.skips(decoder)

    @staticmethod
    def skips(decoder: Any) -> bool:
        """Whether a decoder leaves out frames that nothing needs."""
        return bool(decoder.name == "h264")

    def decode(self, packet: Any) -> Iterator[tuple[int, av.VideoFrame]]:
        """The asked frames that come out of the decoder by now, with their numbers; None, or no bytes, empties it."""
        if self._may_skip:  # a frame from which no other is predicted, unless it is asked for itself
            needed = packet is None or not packet.size or packet.pts in self._asked
            self._decoder.skip_frame = "DEFAULT" if needed else "NONREF"
        watchdog.alive()
        for frame in self._decoder.decode(packet):
            if frame.pts in self._asked:
                yield self._asked[frame.pts], frame


def peek(path: Path) -> VideoInfo:
    """What the headers say, without decoding: `pts` is as long as the header's count. Raises `BrokenClip`."""
    with reading(path) as container:
        stream = _video_stream(container, path)
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
        sound=tuple(s.codec_context.name for s in container.streams.audio),
    )


_converter = VideoReformatter()
"""One converter for all frames: it keeps its tables, where a frame's own would make them anew."""


def convert(frame: av.VideoFrame, pix_fmt: str, **colour: Any) -> av.VideoFrame:
    """A frame in another pixel format, of the same size."""
    # one thread, since the borders of several threads' slices would depend on the number of cores
    return _converter.reformat(frame, format=pix_fmt, threads=1, **colour)


class _Scratch(threading.local):
    """A frame in which RGB waits for the converter: new memory for each frame costs more than the copy into it."""

    frame: av.VideoFrame | None = None

    def filled(self, picture: np.ndarray) -> av.VideoFrame:
        height, width = picture.shape[:2]
        if self.frame is None or (self.frame.height, self.frame.width) != (height, width):
            self.frame = av.VideoFrame(width, height, "rgb24")
        plane: Any = self.frame.planes[0]
        rows = np.frombuffer(plane, dtype=np.uint8).reshape(height, plane.line_size)
        rows[:, : 3 * width] = picture.reshape(height, 3 * width)
        return self.frame


_scratch = _Scratch()


def from_rgb(picture: np.ndarray, pix_fmt: str, **colour: Any) -> av.VideoFrame:
    """A frame of uint8 (H, W, 3) RGB in any pixel format."""
    if pix_fmt == "rgb24":  # as which the converter would hand the same frame on
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=pix_fmt)
    return convert(_scratch.filled(picture), pix_fmt, **colour)


def rgb_of(picture: av.VideoFrame | np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB of a frame; arrays are RGB already."""
    return picture if isinstance(picture, np.ndarray) else to_rgb(picture)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """uint8 (H, W, 3) RGB; the one place where planes become the RGB that triggers are defined on."""
    return convert(frame, "rgb24").to_ndarray()
