"""Writing video files with PyAV: one encoder thread, the source's time stamps, sound tracks bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from poisonkit.errors import BrokenClip
from poisonkit.media.encoders import EncoderSpec, determinism
from poisonkit.media.video import VideoInfo, convert, open_media, to_rgb

# the colour matrices that FFmpeg's tags name, where its scaler knows them
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.SMPTE170M,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}


@contextmanager
def _writing(source: Path, spec: EncoderSpec) -> Iterator[None]:
    """An encoder's or a muxer's refusal as a sentence; a full disk stays an `OSError`."""
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise BrokenClip(
            f"{source} cannot be written with {spec.codec}: {reason}; try another --quality, convert the clip, "
            f"or go on without it by --skip-broken"
        ) from None


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
        return convert(frame, self._spec.pix_fmt, **colour)


class Loopback:
    """Encode and decode in memory: what a written file would give back, without the file."""

    def __init__(self, spec: EncoderSpec, info: VideoInfo, source: Path) -> None:
        self._spec, self._info, self._source = spec, info, source
        with _writing(source, spec):
            self._encoder = Encoder(av.CodecContext.create(spec.codec, "w"), spec, info)
            self._decoder: Any = av.CodecContext.create(_decoder_of(spec.codec), "r")
        self._decoder.thread_count = 1
        self._in = 0

    def write(self, picture: av.VideoFrame | np.ndarray) -> list[av.VideoFrame]:
        """Feed one picture; returns the frames that came out by now."""
        pts = self._info.pts[self._in]
        self._in += 1
        with _writing(self._source, self._spec):
            frame = self._encoder.prepare(picture, pts, self._info.time_base)
            return [out for packet in self._encoder.context.encode(frame) for out in self._decoder.decode(packet)]

    def flush(self) -> list[av.VideoFrame]:
        """The frames that were still under way."""
        with _writing(self._source, self._spec):
            frames = [out for packet in self._encoder.context.encode(None) for out in self._decoder.decode(packet)]
            return frames + list(self._decoder.decode(None))


def _decoder_of(codec: str) -> str:
    if codec.startswith("libvpx"):
        return "vp9" if codec.endswith("vp9") else "vp8"
    return {"libx264": "h264", "libx264rgb": "h264", "libx265": "hevc"}.get(codec, codec)


class Writer:
    """Write one video file: pictures through an encoder, the source's sound packets as they are.

    `info` may hold fewer frames than the source (`VideoInfo.first`); the sound then ends with the last picture.
    """

    def __init__(self, path: Path, container: str, spec: EncoderSpec, info: VideoInfo, source: Path, tag: str) -> None:
        self._info, self._spec, self._source = info, spec, source
        self._written = 0
        self._input: Any = None
        self._output = av.open(str(path), "w", format=container, container_options={"fflags": "+bitexact"})
        try:
            with _writing(source, spec):
                self._output.metadata["comment"] = tag
                self._stream = self._output.add_stream(spec.codec, rate=info.fps)
                self._encoder = Encoder(self._stream.codec_context, spec, info)
                self._stream.time_base = info.time_base
                self._next_sound: Any = None
                if info.sound:
                    self._input = open_media(source)
                    streams = self._input.streams.audio
                    self._copies = {s.index: self._output.add_stream_from_template(s) for s in streams}
                    self._sound = self._sound_packets()
                    self._next_sound = next(self._sound, None)
        except BaseException:
            self.abort()
            raise

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
        with _writing(self._source, self._spec):
            frame = self._encoder.prepare(picture, pts, self._info.time_base)
            self._mux_sound(float(pts * self._info.time_base))
            self._output.mux(self._encoder.context.encode(frame))

    def _mux_sound(self, until: float) -> None:
        while self._next_sound is not None and float(self._next_sound.dts * self._next_sound.time_base) <= until:
            self._output.mux(self._next_sound)
            self._next_sound = next(self._sound, None)

    def close(self) -> None:
        """Flush the encoder and finish the file."""
        with _writing(self._source, self._spec):
            self._output.mux(self._encoder.context.encode(None))
            if not self._info.cut:
                self._mux_sound(float("inf"))
        self.abort()

    def abort(self) -> None:
        """Close the files without flushing; for a clip that failed."""
        self._output.close()
        if self._input is not None:
            self._input.close()
