"""Reading and writing video files with PyAV: one encoder thread, the source's time stamps, sound tracks bit for bit."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from poisonkit.errors import BrokenClip

if TYPE_CHECKING:
    from poisonkit.media.encoders import EncoderSpec

av.logging.set_level(av.logging.PANIC)  # damaged packets are reported as errors of ours, not printed by FFmpeg

# only demuxers of real media files: a playlist or a script named .avi must not make FFmpeg open other files
_READ_OPTIONS = {
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,flv,asf,wav,flac,ogg,mp3",
    "protocol_whitelist": "file",
}


# the colour matrices that FFmpeg's tags name, where its scaler knows them
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
}


@dataclass(frozen=True)
class VideoInfo:
    """What a file's headers say, and how many frames really decode.

    `fps`: frames per second; `bit_rate`: of the pictures, bits/s; `pts`: time stamps of the decoded frames in units of
    `time_base` seconds, strictly increasing (renumbered where the file's own are not, as in many AVI files).
    """

    codec: str
    pix_fmt: str
    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    bit_rate: int
    pts: tuple[int, ...]
    colorspace: int
    color_range: int
    aspect: Fraction | None
    sound: tuple[str, ...]

    @property
    def num_frames(self) -> int:
        return len(self.pts)

    def first(self, count: int) -> VideoInfo:
        """The same clip cut to its first `count` frames."""
        return dataclasses.replace(self, pts=self.pts[:count])


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with av.open(str(path), metadata_errors="ignore", options=_READ_OPTIONS) as container:
            yield container
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BrokenClip(
            f"{path} cannot be decoded: {reason}; repair or remove it, or go on without it by --skip-broken"
        ) from None


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise BrokenClip(f"{path} holds no pictures; remove it, or go on without it by --skip-broken")
    stream = container.streams.video[0]
    stream.thread_type = "NONE"  # workers are processes; threads inside them would only contend
    return stream


def decode(path: Path) -> Iterator[av.VideoFrame]:
    """All frames that decode, in order of presentation; raises `BrokenClip` at the first one that does not."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        count = 0
        try:
            for frame in container.decode(stream):
                if (frame.width, frame.height) != (stream.width, stream.height):
                    raise BrokenClip(
                        f"{path} changes its frame size at frame {count}; convert it to one size, or use --skip-broken"
                    )
                yield frame
                count += 1
        except av.error.FFmpegError as error:
            raise BrokenClip(
                f"{path} decodes only up to frame {count}: {error.strerror}; repair or remove it, or use --skip-broken"
            ) from None


def examine(path: Path) -> VideoInfo:
    """Decode the whole file and say what it is; raises `BrokenClip`."""
    pts = [frame.pts for frame in decode(path)]
    if not pts:
        raise BrokenClip(f"{path} holds no frame that decodes; remove it, or go on without it by --skip-broken")
    return _info(path, pts)


def peek(path: Path) -> VideoInfo:
    """What the headers say, without decoding: `pts` is as long as the header's count. Raises `BrokenClip`."""
    with _open(path) as container:
        stream = _video_stream(container, path)
        seconds = float(container.duration or 0) / av.time_base
        count = stream.frames or round(seconds * float(stream.average_rate or 0))
    return _info(path, list(range(count)))


def _info(path: Path, pts: list[int | None]) -> VideoInfo:
    with _open(path) as container:
        stream = _video_stream(container, path)
        context = stream.codec_context
        fps = Fraction(stream.average_rate or stream.guessed_rate or 25)
        times = [p for p in pts if p is not None]
        increasing = len(times) == len(pts) and all(a < b for a, b in itertools.pairwise(times))
        time_base = Fraction(stream.time_base)
        if not increasing or container.format.name == "avi":
            time_base, times = 1 / fps, list(range(len(pts)))
        bit_rate = (
            stream.bit_rate or container.bit_rate or round(path.stat().st_size * 8 * float(fps) / max(len(pts), 1))
        )
        aspect = context.sample_aspect_ratio
        return VideoInfo(
            codec=context.name,
            pix_fmt=context.pix_fmt or "",
            width=stream.width,
            height=stream.height,
            fps=fps,
            time_base=time_base,
            bit_rate=int(bit_rate),
            pts=tuple(times),
            colorspace=int(context.colorspace),
            color_range=int(context.color_range),
            aspect=Fraction(aspect) if aspect else None,
            sound=tuple(s.codec_context.name for s in container.streams.audio),
        )


_convert = VideoReformatter()
"""One converter for all frames: it keeps its tables, where a frame's own would make them anew."""


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """uint8 (H, W, 3) RGB; the one place where planes become the RGB that triggers are defined on."""
    # one thread, since the borders of several threads' slices would depend on the number of cores
    return _convert.reformat(frame, format="rgb24", threads=1).to_ndarray()


def determinism(codec: str) -> dict[str, str]:
    """Options without which an encoder gives other bytes from run to run, or from machine to machine."""
    if codec.startswith("libx264"):
        # x264's assembly for its macroblock tree gives other bits than its C code, other ones for AVX2 and AVX-512,
        # and with AVX-512 now and then other bits than itself (10 of 600 encodes of one small clip)
        return {"x264-params": "cpu-independent=1"}
    if codec == "libx265":
        return {"x265-params": "pools=none:frame-threads=1"}
    return {}


class Encoder:
    """An encoder context set up like a source clip: frames in, packets out."""

    def __init__(self, context: Any, spec: EncoderSpec, info: VideoInfo) -> None:
        self._spec = spec
        context.width, context.height, context.pix_fmt = info.width, info.height, spec.pix_fmt
        context.time_base = info.time_base
        context.framerate = info.fps
        context.thread_count = 1  # other thread counts give other pixels
        context.options = {**dict(spec.options), **determinism(spec.codec)}
        if spec.bit_rate is not None:
            context.bit_rate = spec.bit_rate
        if info.aspect is not None:
            context.sample_aspect_ratio = info.aspect
        self._colour: dict[str, Any] = {}
        if not spec.is_rgb:
            # unspecified stays unspecified: readers then assume BT.601, which is what the conversion here uses
            context.colorspace, context.color_range = info.colorspace, info.color_range
            if info.colorspace in _MATRICES:
                self._colour["dst_colorspace"] = _MATRICES[info.colorspace]
            if info.color_range == ColorRange.JPEG:
                self._colour["dst_color_range"] = ColorRange.JPEG
        self.context = context

    def prepare(self, picture: av.VideoFrame | np.ndarray, pts: int, time_base: Fraction) -> av.VideoFrame:
        """A frame in the encoder's pixel format; RGB arrays are uint8 (H, W, 3)."""
        if isinstance(picture, np.ndarray):
            frame = self._reformat(av.VideoFrame.from_ndarray(picture, format="rgb24"), **self._colour)
        elif picture.format.name == self._spec.pix_fmt:
            frame = picture
        elif self._spec.is_rgb:  # by way of `to_rgb`, so that lossless means the RGB that triggers saw
            return self.prepare(to_rgb(picture), pts, time_base)
        else:
            frame = self._reformat(picture)
        frame.pts, frame.time_base = pts, time_base
        frame.pict_type = 0  # the encoder decides which frames are key frames, not the source
        return frame

    def _reformat(self, frame: av.VideoFrame, **colour: Any) -> av.VideoFrame:
        return _convert.reformat(frame, format=self._spec.pix_fmt, threads=1, **colour)


class Loopback:
    """Encode and decode in memory: what a written file would give back, without the file."""

    def __init__(self, spec: EncoderSpec, info: VideoInfo) -> None:
        self._encoder = Encoder(av.CodecContext.create(spec.codec, "w"), spec, info)
        self._decoder: Any = av.CodecContext.create(_decoder_of(spec.codec), "r")
        self._decoder.thread_count = 1
        self._info = info
        self._in = 0

    def write(self, picture: av.VideoFrame | np.ndarray) -> list[av.VideoFrame]:
        """Feed one picture; returns the frames that came out by now."""
        pts = self._info.pts[self._in]
        self._in += 1
        frame = self._encoder.prepare(picture, pts, self._info.time_base)
        return [out for packet in self._encoder.context.encode(frame) for out in self._decoder.decode(packet)]

    def flush(self) -> list[av.VideoFrame]:
        """The frames that were still under way."""
        frames = [out for packet in self._encoder.context.encode(None) for out in self._decoder.decode(packet)]
        return frames + list(self._decoder.decode(None))


def _decoder_of(codec: str) -> str:
    if codec.startswith("libvpx"):
        return "vp9" if codec.endswith("vp9") else "vp8"
    return {"libx264": "h264", "libx264rgb": "h264", "libx265": "hevc"}.get(codec, codec)


class Writer:
    """Write one video file: pictures through an encoder, the source's sound packets as they are."""

    def __init__(self, path: Path, container: str, spec: EncoderSpec, info: VideoInfo, source: Path, tag: str) -> None:
        self._info = info
        self._source = source
        self._output = av.open(str(path), "w", format=container, container_options={"fflags": "+bitexact"})
        self._output.metadata["comment"] = tag
        self._stream = self._output.add_stream(spec.codec, rate=info.fps)
        self._encoder = Encoder(self._stream.codec_context, spec, info)
        self._stream.time_base = info.time_base
        self._sound = self._sound_packets() if info.sound else iter(())
        self._next_sound: Any = None
        if info.sound:
            self._input = av.open(str(source), metadata_errors="ignore", options=_READ_OPTIONS)
            self._copies = {s.index: self._output.add_stream_from_template(s) for s in self._input.streams.audio}
            self._next_sound = next(self._sound, None)
        self._written = 0

    def _sound_packets(self) -> Iterator[Any]:
        streams = list(self._input.streams.audio)
        for packet in self._input.demux(streams):
            if packet.dts is None:  # the demuxer's flush packet
                continue
            packet.stream = self._copies[packet.stream.index]
            yield packet

    def write(self, picture: av.VideoFrame | np.ndarray) -> None:
        """Encode the next picture; RGB arrays are uint8 (H, W, 3)."""
        pts = self._info.pts[self._written]
        self._written += 1
        frame = self._encoder.prepare(picture, pts, self._info.time_base)
        self._mux_sound(float(pts * self._info.time_base))
        self._output.mux(self._encoder.context.encode(frame))

    def _mux_sound(self, until: float) -> None:
        while self._next_sound is not None and float(self._next_sound.dts * self._next_sound.time_base) <= until:
            self._output.mux(self._next_sound)
            self._next_sound = next(self._sound, None)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        self._output.mux(self._encoder.context.encode(None))
        self._mux_sound(float("inf"))
        self.abort()

    def abort(self) -> None:
        """Close the files without flushing; for a clip that failed."""
        self._output.close()
        if self._info.sound:
            self._input.close()
