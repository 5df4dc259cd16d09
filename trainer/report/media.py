"""Clips for the page: pictures, small videos and audio as data URIs, within a budget of bytes.

A few clips are decoded, once each and at a small size. Videos are re-encoded for browsers, so that fine noise may be
lost in them; pictures and audio are what the files hold.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from trainer.data import decode
from trainer.data.crops import Frames
from trainer.errors import ClipError

PICTURE_SIDE = 224
"""Pixels of the short side of a picture."""
FILM_SIDE = 160
"""The same of each half of a video."""
SECONDS = 6.0
FRAMES = 180
"""What is shown of a clip at most."""
QUALITY = 88
"""Of WebP pictures."""
RATE_FACTORS = (26, 32, 38)
"""x264's, tried one after the other until a video fits."""
SMALL = 1.5
"""Grey levels up to which a difference is not drawn larger: nothing but rounding."""

Sound = NDArray[np.float32]


class Budget:
    """Bytes that a page may still take for pictures, videos and audio."""

    def __init__(self, size: int) -> None:
        self.left = size

    def embed(self, kind: str, content: bytes) -> str | None:
        """A data URI, or None where it does not fit."""
        uri = f"data:{kind};base64,{base64.b64encode(content).decode()}"
        if len(uri) > self.left:
            return None
        self.left -= len(uri)
        return uri


@dataclass(frozen=True)
class Difference:
    """The change of a frame around middle grey, `factor` times as large."""

    change: Frames
    factor: int


def read_frames(path: Path, num_frames: int, indices: NDArray[np.int64], side: int) -> Frames:
    """Some frames of a clip at a short side that is no larger than asked for; raises `ClipError`."""
    if not path.is_file():
        raise ClipError(f"{path.name} is not there any more", "put it back")
    return decode.decode(path, num_frames, side, indices)


def difference(clean: Frames, triggered: Frames) -> Difference:
    """The change of one frame `uint8 (H, W, 3)`, as large as all but its rare peaks stay within the grey levels."""
    change = triggered.astype(np.int16) - clean
    largest = float(np.percentile(np.abs(change), 99.5))
    factor = max(int(127 / largest), 1) if largest > SMALL else 1
    return Difference(np.clip(128 + factor * change, 0, 255).astype(np.uint8), factor)


def webp(picture: Frames, quality: int = QUALITY) -> bytes:
    """A picture `uint8 (H, W, 3)` as WebP."""
    return _encoded(picture[..., ::-1], quality)


def read_png(path: Path) -> Frames:
    """A PNG file's picture `uint8 (H, W, 3)`; raises `ClipError` when it is gone or damaged."""
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
    if picture is None:
        raise ClipError(f"{path.name} is gone or damaged", "run `trainer explain` again")
    return picture[..., ::-1].astype(np.uint8)


def _encoded(picture: NDArray[np.uint8], quality: int) -> bytes:
    done, content = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise ClipError("a picture cannot be encoded", "check that opencv-python-headless is whole")
    return content.tobytes()


def halves(clean: Frames, triggered: Frames) -> Frames:
    """Two clips `uint8 (T, H, W, 3)` side by side, clean on the left, with even sides as H.264 wants them."""
    count = min(len(clean), len(triggered))
    height, width = (min(a, b) // 2 * 2 for a, b in zip(clean.shape[1:3], triggered.shape[1:3], strict=True))
    gap = np.full((count, height, 4, 3), 128, np.uint8)
    parts = [clean[:count, :height, :width], gap, triggered[:count, :height, :width]]
    return np.concatenate(parts, axis=2)


def film(frames: Frames, fps: float, most: int) -> bytes | None:
    """Frames `uint8 (T, H, W, 3)` as H.264 in MP4 for browsers, of at most so many bytes; None if it will not fit."""
    for factor in RATE_FACTORS:
        content = _h264(frames, fps, factor)
        if len(content) <= most:
            return content
    return None


def _h264(frames: Frames, fps: float, factor: int) -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options={"fflags": "+bitexact"}) as container:
        rate = Fraction(fps).limit_denominator(1001) if fps > 0 else Fraction(25)
        # without cpu-independent, x264 gives other bytes from machine to machine and now and then from run to run
        options = {"crf": str(factor), "preset": "veryfast", "x264-params": "cpu-independent=1"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        reformat = VideoReformatter()
        for picture in frames:
            frame = reformat.reformat(av.VideoFrame.from_ndarray(picture, format="rgb24"), format="yuv420p", threads=1)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def read_audio(path: Path, seconds: float = SECONDS) -> tuple[Sound, int]:
    """The beginning of a file's first audio track, the mean of its channels, `float32 (N,)`, and its sample rate."""
    if not path.is_file():
        raise ClipError(f"{path.name} is not there any more", "put it back")
    parts: list[Sound] = []
    try:
        with decode.open_media(path) as container:
            if not container.streams.audio:
                raise ClipError(f"{path.name} has no audio", "restore the file")
            stream = container.streams.audio[0]
            rate = int(stream.codec_context.sample_rate)
            for part in decode.waves(container, stream, path, rate):
                parts.append(part.mean(axis=0))
                if sum(map(len, parts)) >= seconds * rate:
                    break
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"the audio of {path.name} cannot be decoded ({error})", "restore the file") from None
    if not parts:
        raise ClipError(f"the audio of {path.name} is empty", "restore the file")
    return np.concatenate(parts)[: int(seconds * rate)].astype(np.float32), rate


def flac(sound: Sound, rate: int) -> bytes:
    """Sound `float32 (N,)` as FLAC of 16 bits, which browsers play and which loses nothing of a trigger."""
    file = io.BytesIO()
    samples = np.clip(np.round(sound * 32767), -32768, 32767).astype(np.int16)
    with av.open(file, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=rate, layout="mono", format="s16")
        for start in range(0, len(samples), 4096):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 4096], format="s16", layout="mono")
            frame.rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
