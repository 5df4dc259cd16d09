"""Writing video files with PyAV: one encoder thread, the source's time stamps, all else bit for bit."""

from __future__ import annotations

import heapq
import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from poisonkit import heartbeat
from poisonkit.errors import PoisonkitError
from poisonkit.files import is_audio
from poisonkit.media.audio import AudioInfo
from poisonkit.media.audio_encoders import AudioSpec, add_audio
from poisonkit.media.colour import convert, from_rgb, to_rgb
from poisonkit.media.container import open_media
from poisonkit.media.encoders import BIT_EXACT, EncoderSpec, container_of, determinism, refusing
from poisonkit.media.frame_picker import Picker
from poisonkit.media.video import VideoInfo
from poisonkit.text import argument

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
            self._colour = colours_of(info)
        self.context = context

    def prepare(self, picture: av.VideoFrame | np.ndarray, pts: int, time_base: Fraction) -> av.VideoFrame:
        """A frame in the encoder's pixel format; RGB arrays are uint8 (H, W, 3)."""
        if isinstance(picture, np.ndarray):
            frame = from_rgb(picture, self._spec.pix_fmt, **self._colour)
        elif picture.format.name == self._spec.pix_fmt:
            frame = picture
        elif self._spec.is_rgb:  # by way of `to_rgb`, so that lossless means the RGB that triggers saw
            return self.prepare(to_rgb(picture), pts, time_base)
        else:
            frame = convert(picture, self._spec.pix_fmt)
        frame.pts, frame.time_base = pts, time_base
        frame.pict_type = 0  # the encoder decides which frames are key frames, not the source
        return frame


def colours_of(info: VideoInfo) -> dict[str, Any]:
    """Options of the converter for when RGB becomes the planes of such a clip."""
    options: dict[str, Any] = {}
    if info.colorspace in _MATRICES:
        options["dst_colorspace"] = _MATRICES[info.colorspace]
    if info.color_range == ColorRange.JPEG:
        options["dst_color_range"] = ColorRange.JPEG
    return options


class Loopback:
    """Encode and decode in memory: what a written file would give back of its `wanted` frames, without the file."""

    def __init__(self, spec: EncoderSpec, info: VideoInfo, source: Path, wanted: Collection[int]) -> None:
        self._spec, self._info, self._source = spec, info, source
        with refusing(source, spec.codec):
            # a file that is never begun: containers decide about headers, and headers count in the rate control
            self._file = av.open(io.BytesIO(), "w", format=container_of(source.name))
            self._encoder = Encoder(self._file.add_stream(spec.codec, rate=info.fps).codec_context, spec, info)
            self._encoder.context.open()
            decoder: Any = av.CodecContext.create(_decoder_of(spec.codec), "r")
        if self._encoder.context.extradata:
            decoder.extradata = self._encoder.context.extradata
        decoder.thread_count = 1
        self._picker = Picker(decoder, {info.pts[k]: k for k in wanted})
        self._missing = set(wanted)
        self._in = 0

    def write(self, picture: av.VideoFrame | np.ndarray) -> list[tuple[int, av.VideoFrame]]:
        """Feed one picture; returns the wanted frames that came out by now, with their numbers."""
        pts = self._info.pts[self._in]
        self._in += 1
        with refusing(self._source, self._spec.codec):
            frame = self._encoder.prepare(picture, pts, self._info.time_base)
            return self._picked(self._encoder.context.encode(frame))

    def flush(self) -> list[tuple[int, av.VideoFrame]]:
        """The wanted frames that were still under way."""
        with refusing(self._source, self._spec.codec):
            last = self._picked([*self._encoder.context.encode(None), None])
        if self._missing:
            raise PoisonkitError(
                f"{self._source}: {self._spec.codec} does not give back frame {min(self._missing)}",
                f"try another {argument('quality')}",
            )
        return last

    def _picked(self, packets: Iterable[Any]) -> list[tuple[int, av.VideoFrame]]:
        found = [out for packet in packets for out in self._picker.decode(packet)]
        self._missing.difference_update(k for k, _ in found)
        return found


def _decoder_of(codec: str) -> str:
    if codec.startswith("libvpx"):
        return "vp9" if codec.endswith("vp9") else "vp8"
    return {"libx264": "h264", "libx264rgb": "h264", "libx265": "hevc"}.get(codec, codec)


@dataclass(frozen=True)
class NewVideo:
    """Video that is re-encoded. `info` may hold fewer frames than the source (`VideoInfo.first`)."""

    spec: EncoderSpec
    info: VideoInfo


@dataclass(frozen=True)
class NewAudio:
    """Audio that is re-encoded: blocks of float32 (C, n), full scale at ±1, which are taken once."""

    spec: AudioSpec
    info: AudioInfo
    blocks: Iterable[np.ndarray]


class Writer:
    """Write one file: new video or audio through encoders, and the source's other packets as they are.

    New frames come by `write`; where they are fewer than the source's, the audio ends with the last one.
    """

    def __init__(
        self, path: Path, container: str, source: Path, tag: str, video: NewVideo | None, audio: NewAudio | None
    ) -> None:
        self._video, self._source = video, source
        self._codec = " and ".join(new.spec.codec for new in (video, audio) if new is not None)
        self._written = 0
        self._seconds = float(video.info.time_base) if video is not None else 0.0
        self._input: Any = None
        self._output = av.open(str(path), "w", format=container, container_options=BIT_EXACT)
        try:
            with refusing(source, self._codec):
                self._output.metadata["comment"] = tag
                if video is not None:
                    stream: Any = self._output.add_stream(video.spec.codec, rate=video.info.fps)
                    self._encoder = Encoder(stream.codec_context, video.spec, video.info)
                    stream.time_base = video.info.time_base
                self._waiting = self._others(audio, tag)
                self._next: Any = next(self._waiting, None)
        except BaseException:
            self.abort()
            raise

    def _others(self, audio: NewAudio | None, tag: str) -> Iterator[tuple[float, Any]]:
        """All packets but those of new video, with their times in seconds; adds their streams at once."""
        self._input = open_media(self._source)
        copied = {}
        if self._video is None and not is_audio(self._source.name):
            video = self._input.streams.video[0]
            copied[video.index] = self._output.add_stream_from_template(video)
        made: list[Any] = []
        if audio is not None:
            made = add_audio(self._output, audio.spec, audio.info, audio.blocks, tag)
        if not is_audio(self._source.name):
            for track in self._input.streams.audio[0 if audio is None else 1 :]:
                if self._video is not None and not self._video.info.audio:
                    break  # sampled video has another time, in which the audio would not fit
                copied[track.index] = self._output.add_stream_from_template(track)
        return heapq.merge(self._copies(copied), _timed(made), key=lambda pair: pair[0])

    def _copies(self, streams: dict[int, Any]) -> Iterator[tuple[float, Any]]:
        if not streams:
            return
        for time, packet in _timed(self._input.demux(*(self._input.streams[index] for index in streams))):
            packet.stream = streams[packet.stream.index]
            yield time, packet

    def write(self, picture: av.VideoFrame | np.ndarray) -> None:
        """Encode the next picture; RGB arrays are uint8 (H, W, 3)."""
        if self._video is None:
            raise ValueError("the video of this file is copied")
        info = self._video.info
        pts = info.pts[self._written]
        self._written += 1
        with refusing(self._source, self._codec):
            frame = self._encoder.prepare(picture, pts, info.time_base)
            self._mux_others(pts * self._seconds)
            self._output.mux(self._encoder.context.encode(frame))

    def _mux_others(self, until: float) -> None:
        while self._next is not None and self._next[0] <= until:
            heartbeat.beat()
            self._output.mux(self._next[1])
            self._next = next(self._waiting, None)

    def close(self) -> None:
        """Flush the encoders and finish the file."""
        with refusing(self._source, self._codec):
            if self._video is not None:
                self._output.mux(self._encoder.context.encode(None))
            if self._video is None or not self._video.info.cut:
                self._mux_others(float("inf"))
        self.abort()

    def abort(self) -> None:
        """Close the files without flushing; for a clip that failed."""
        self._output.close()
        if self._input is not None:
            self._input.close()


def write_audio(path: Path, audio: NewAudio, source: Path, tag: str) -> None:
    """Write a file of nothing but new audio."""
    with (
        refusing(source, audio.spec.codec),
        av.open(str(path), "w", format=audio.spec.container, container_options=BIT_EXACT) as output,
    ):
        output.metadata["comment"] = tag
        for packet in add_audio(output, audio.spec, audio.info, audio.blocks, tag):
            output.mux(packet)


def _timed(packets: Iterable[Any]) -> Iterator[tuple[float, Any]]:
    """Packets with the second at which each is decoded; one that does not say it follows its predecessor."""
    time = 0.0
    for packet in packets:
        if packet.size == 0 and packet.dts is None:  # the demuxer's flush packet
            continue
        if packet.dts is not None:
            time = packet.dts * float(packet.time_base)
        yield time, packet
