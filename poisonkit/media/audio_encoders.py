"""How audio is written: which encoder, at which settings, for which container; and the encoding itself.

Sample rate and channels stay. Encoders whose decoders would give the audio back late are compensated or avoided: MP3 in
AVI comes back 1,105 samples late, so that AVI files get PCM on every rung.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
import soundfile

from poisonkit.blocks import recut
from poisonkit.manifest import Rung
from poisonkit.media.audio import MAX_PLANES, AudioInfo, excerpt

AUDIO_LADDER: tuple[Rung, ...] = ("match", "high", "lossless")
"""`match`: the source's codec and bit rate; `high`: its codec at a high rate; `lossless`: FLAC, ALAC or PCM.

MP3, WebM and MPEG files hold none of these, and few readers of Ogg files know FLAC there: their last rung is the
highest rate.
"""

_KIND = {
    "aac": "aac",
    "mp3": "libmp3lame",
    "mp3float": "libmp3lame",
    "ac3": "ac3",
    "opus": "libopus",
    "libopus": "libopus",
    "vorbis": "vorbis",
    "libvorbis": "vorbis",
    "flac": "flac",
    "alac": "alac",
}
"""The encoder that writes a decoder's codec."""
_HOLDS = {
    "mp4": ("aac", "libmp3lame", "ac3", "alac", "flac"),
    "mov": ("aac", "libmp3lame", "ac3", "alac"),
    "matroska": ("flac", "aac", "libmp3lame", "ac3", "libopus", "vorbis", "alac"),
    "webm": ("vorbis", "libopus"),
    "mpeg": ("ac3",),
    "avi": ("pcm_s16le",),
    "wav": ("pcm_s16le",),
    "flac": ("flac",),
    "ogg": ("vorbis", "libopus", "flac"),
    "mp3": ("libmp3lame",),
}
"""What a container can hold; the first is taken where the source's own codec cannot be written."""
_LOSSLESS = {"mp4": "alac", "mov": "alac", "matroska": "flac", "avi": "pcm_s16le", "flac": "flac"}
_HIGHEST = {"aac": 160_000, "libmp3lame": 320_000, "ac3": 640_000, "libopus": 192_000}
"""Bits/s of the rung `high`: for AAC and Opus per channel, for the others whatever the number of channels."""
_FORMAT = {"aac": "fltp", "libmp3lame": "fltp", "ac3": "fltp", "libopus": "flt"}
_OPUS_RATES = (8000, 12_000, 16_000, 24_000, 48_000)
_PCM = {"pcm_u8": "u8", "pcm_s16le": "s16", "pcm_s24le": "s32", "pcm_s32le": "s32", "pcm_f32le": "flt"}
_LATE = {"mpeg": 256}
"""Samples by which a container's audio comes back late; so many are left out at the beginning."""


@dataclass(frozen=True)
class AudioSpec:
    """One audio encoder with its settings; `bit_rate` in bits/s, or for Vorbis a `quality`, 0 … 1."""

    codec: str
    sample_format: str
    container: str
    bit_rate: int | None = None
    quality: float | None = None

    def line(self) -> str:
        """The settings as one line for the manifest."""
        if self.quality is not None:
            return f"{self.codec} quality={self.quality:g}"
        return self.codec if self.bit_rate is None else f"{self.codec} b={self.bit_rate}"

    @property
    def exact(self) -> bool:
        """Whether the samples come back as they are, but for rounding to whole steps."""
        return self.codec.startswith(("pcm", "flac", "alac"))


def audio_encoder(rung: Rung, info: AudioInfo, container: str) -> AudioSpec:
    """The encoder of a rung for one audio track; `near` is a rung of video, for audio it is `high`."""
    if container == "wav":
        codec = info.codec if info.codec in _PCM else "pcm_s16le"
        return AudioSpec(codec, _PCM[codec], container)
    if rung == "lossless" and container in _LOSSLESS:
        return _lossless(_LOSSLESS[container], info, container)
    holds = _HOLDS[container]
    codec = _KIND.get(info.codec, "")
    if codec not in holds or (codec == "libopus" and info.rate not in _OPUS_RATES):
        codec = holds[0]
    if codec in ("flac", "alac", "pcm_s16le"):
        return _lossless(codec, info, container)
    if codec == "vorbis":
        return AudioSpec(codec, "flt", container, quality=0.5 if rung == "match" else 1.0)
    highest = _HIGHEST[codec] * (info.channels if codec in ("aac", "libopus") else 1)
    rate = info.bit_rate if rung == "match" and info.bit_rate else highest
    return AudioSpec(codec, _FORMAT[codec], container, bit_rate=min(rate, highest))


def _lossless(codec: str, info: AudioInfo, container: str) -> AudioSpec:
    """16 bits, or 24 where the source has more."""
    deep = info.codec in ("pcm_s24le", "pcm_s32le", "pcm_f32le") or (
        info.codec in ("flac", "alac") and info.sample_format.startswith("s32")
    )
    if codec.startswith("pcm"):
        return AudioSpec("pcm_s24le" if deep else "pcm_s16le", "s32" if deep else "s16", container)
    return AudioSpec(codec, ("s32" if deep else "s16") + ("p" if codec == "alac" else ""), container)


def add_audio(output: Any, spec: AudioSpec, info: AudioInfo, blocks: Iterable[np.ndarray], tag: str) -> list[Any]:
    """Add a stream to a container that is being written, and encode all of its audio.

    `blocks`: float32 (C, n), full scale at ±1, one after the other. Returns the packets, in order, not yet written.
    """
    late = _LATE.get(spec.container, 0)
    if late:
        blocks = excerpt(blocks, late, max(info.num_samples - late, 0))
    if spec.codec == "vorbis":
        return _vorbis(output, spec, info, blocks, tag)
    stream = output.add_stream(spec.codec, rate=info.rate, layout=info.layout)
    stream.metadata["comment"] = tag
    context = stream.codec_context
    context.format = spec.sample_format
    context.thread_count = 1
    if spec.bit_rate is not None:
        context.bit_rate = spec.bit_rate
    context.open()
    length = context.frame_size or 4096
    packets = []
    for i, samples in enumerate(recut(blocks, length)):
        frame = _frame(samples, spec, info)
        frame.pts, frame.time_base = info.start + i * length, Fraction(1, info.rate)
        packets += stream.encode(frame)
    return [*packets, *stream.encode(None)]


def _frame(samples: np.ndarray, spec: AudioSpec, info: AudioInfo) -> av.AudioFrame:
    values: np.ndarray = samples
    if spec.sample_format.startswith("u8"):
        values = _steps(samples, 128, 0, np.int16).astype(np.int16) + 128
        values = values.astype(np.uint8)
    elif spec.sample_format.startswith("s16"):
        values = _steps(samples, 2**15, 0, np.int16)
    elif spec.sample_format.startswith("s32"):
        values = _steps(samples, 2**23, 8, np.int32)  # 24 bits, in the upper part of 32
    # by way of a packed frame: of eight or more planes PyAV does not find the end, and the process is lost
    packed = av.AudioFormat(spec.sample_format).packed
    many = spec.sample_format.endswith("p") and info.channels > MAX_PLANES
    if many or not spec.sample_format.endswith("p"):
        values = values.T.reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(values), format=packed if many else spec.sample_format, layout=info.layout
    )
    frame.rate = info.rate
    if many:
        (frame,) = av.AudioResampler(format=spec.sample_format).resample(frame)
    return frame


def _steps(samples: np.ndarray, scale: int, shift: int, kind: type) -> np.ndarray:
    """Whole steps of an integer format, saturating."""
    whole = np.clip(np.round(samples.astype(np.float64) * scale), -scale, scale - 1).astype(np.int64)
    return (whole << shift).astype(kind)


def _vorbis(output: Any, spec: AudioSpec, info: AudioInfo, blocks: Iterable[np.ndarray], tag: str) -> list[Any]:
    """By way of libsndfile, since FFmpeg's own Vorbis encoder is experimental; the packets are moved over unchanged."""
    memory = io.BytesIO()
    with soundfile.SoundFile(
        memory, "w", info.rate, info.channels, format="OGG", subtype="VORBIS", compression_level=1 - (spec.quality or 0)
    ) as file:
        file.comment = tag
        for samples in recut(blocks, info.rate):  # libsndfile overflows its stack on one large block
            file.write(samples.T)
    memory.seek(0)
    with av.open(memory, "r") as container:
        stream = output.add_stream_from_template(container.streams.audio[0])
        packets = [packet for packet in container.demux(audio=0) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
            packet.pts = (packet.pts or 0) + info.start
            packet.dts = packet.pts
        return packets
