"""The quality ladder: which encoder, at which settings, for which container.

File names and containers stay those of the source, so the codec is chosen to fit the container. Every rung below
`lossless` keeps 4:2:0 or 4:4:4 video; `lossless` keeps RGB, the only form in which every change survives exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.manifest import Rung
from poisonkit.media.video import VideoInfo
from poisonkit.text import argument

BIT_EXACT = {"fflags": "+bitexact"}
"""Options of every muxer: without them, Matroska and Ogg draw random numbers."""

LADDER: tuple[Rung, ...] = ("match", "high", "near", "lossless")

CONTAINERS = {
    ".avi": "avi",
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".mpg": "mpeg",
    ".mpeg": "mpeg",
    ".wav": "wav",
    ".flac": "flac",
    ".ogg": "ogg",
    ".mp3": "mp3",
}
"""The muxer for each suffix that can be written."""

_ENCODER_OF = {
    "h264": "libx264",
    "hevc": "libx265",
    "mpeg4": "mpeg4",
    "mpeg1video": "mpeg1video",
    "mpeg2video": "mpeg2video",
    "mjpeg": "mjpeg",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
}
"""For `match`: the encoder that writes a decoder's codec."""

_MPEG_RATES = frozenset(Fraction(n, d) for n, d in ((24, 1), (25, 1), (30, 1), (50, 1), (60, 1))) | frozenset(
    Fraction(n, 1001) for n in (24_000, 30_000, 60_000)
)
"""Frames a second that MPEG-1 and MPEG-2 can name."""


@contextmanager
def refusing(source: Path, codec: str) -> Iterator[None]:
    """An encoder's or a muxer's refusal as a sentence; a full disk stays an `OSError`."""
    try:
        yield
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, OSError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise BrokenClip(
            f"{source} cannot be written with {codec}: {reason}",
            f"try another {argument('quality')}, convert the clip, "
            f"or go on without it by {argument('skip_broken', True)}",
        ) from None


@dataclass(frozen=True)
class EncoderSpec:
    """One encoder with its settings; `bit_rate` in bits/s or None where a quality is asked for instead."""

    codec: str
    pix_fmt: str
    options: tuple[tuple[str, str], ...]
    bit_rate: int | None = None

    def line(self) -> str:
        """The settings as one line for the manifest; the bit rate is each clip's own."""
        rate = ["b=source"] if self.bit_rate is not None else []
        return " ".join([self.codec, self.pix_fmt, *(f"{k}={v}" for k, v in self.options), *rate])

    @property
    def is_rgb(self) -> bool:
        return self.pix_fmt in ("bgr24", "rgb24", "bgr0", "gbrp")


def container_of(path: str) -> str:
    """The muxer for a file name; raises `PoisonkitError` for suffixes that cannot be written."""
    suffix = path[path.rfind(".") :].lower() if "." in path else ""
    if suffix not in CONTAINERS:
        known = " ".join(CONTAINERS)
        raise PoisonkitError(
            f"{path}: files of type {suffix!r} cannot be written", f"convert the clip to one of {known} first"
        )
    return CONTAINERS[suffix]


def encoder(rung: Rung, info: VideoInfo, container: str) -> EncoderSpec:
    """The encoder of a rung for one clip."""
    # AVI counts frames and cannot reorder them, so H.264 goes without B-frames there
    order = (("bf", "0"),) if container == "avi" else ()
    even = info.width % 2 == 0 and info.height % 2 == 0
    if container == "webm":
        return _webm(rung, info)
    if rung == "match":
        return _match(info, order)
    if rung == "high":  # 4:2:0 H.264 cannot hold odd sizes
        return EncoderSpec("libx264", "yuv420p" if even else "yuv444p", (("preset", "veryfast"), ("crf", "17"), *order))
    if rung == "near":
        return EncoderSpec("libx264", "yuv444p", (("preset", "veryfast"), ("crf", "4"), *order))
    # CAVLC: arithmetic coding would make the file a tenth smaller, and reading it three times as slow
    return EncoderSpec("libx264rgb", "bgr24", (("preset", "veryfast"), ("qp", "0"), ("coder", "0"), *order))


def _match(info: VideoInfo, order: tuple[tuple[str, str], ...]) -> EncoderSpec:
    codec = _ENCODER_OF.get(info.codec, "libx264")
    if not _keeps_time(codec, info):
        codec = "libx264"
    even = info.width % 2 == 0 and info.height % 2 == 0
    pix_fmt = "yuv420p"
    options: tuple[tuple[str, str], ...] = ()
    if codec in ("libx264", "libx265"):
        options = (("preset", "veryfast"), *order)
        pix_fmt = "yuv444p" if info.pix_fmt.endswith("444p") or not even else "yuv420p"
    elif codec == "mjpeg":
        pix_fmt = "yuvj420p"
    elif codec.startswith("libvpx"):
        options = (("deadline", "good"), ("cpu-used", "4"))
    return EncoderSpec(codec, pix_fmt, options, bit_rate=info.bit_rate)


def _keeps_time(codec: str, info: VideoInfo) -> bool:
    """Whether an encoder can hold the source's time stamps: the older codecs know coarse or standard rates only."""
    if codec == "mpeg4":
        return info.time_base.denominator <= 65_535
    if codec in ("mpeg1video", "mpeg2video"):
        return info.fps in _MPEG_RATES and info.time_base == 1 / info.fps
    return True


def _webm(rung: Rung, info: VideoInfo) -> EncoderSpec:
    speed = (("deadline", "good"), ("cpu-used", "4"))
    if rung == "match" and info.codec in ("vp8", "vp9"):
        return _match(info, ())
    if rung in ("match", "high"):
        return EncoderSpec("libvpx-vp9", "yuv420p", (*speed, ("crf", "12"), ("b", "0")))
    if rung == "near":
        return EncoderSpec("libvpx-vp9", "yuv444p", (*speed, ("crf", "3"), ("b", "0")))
    return EncoderSpec("libvpx-vp9", "gbrp", (*speed, ("lossless", "1")))


def determinism(codec: str) -> dict[str, str]:
    """Options without which an encoder gives other bytes from run to run, or from machine to machine."""
    if codec.startswith("libx264"):
        # x264's assembly for its macroblock tree gives other bits than its C code, other ones for AVX2 and AVX-512,
        # and with AVX-512 now and then other bits than itself (10 of 600 encodes of one small clip)
        return {"x264-params": "cpu-independent=1"}
    if codec == "libx265":
        return {"x265-params": "pools=none:frame-threads=1:log-level=error"}  # it would print a page for every clip
    return {}
