"""Files whose headers claim more than the files hold: pictures, frames and sound of absurd sizes."""

from __future__ import annotations

import json
import re
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np

from poisonkit.errors import BrokenClip
from poisonkit.media import audio, video
from trainer.data import audio_datasets, decode
from trainer.errors import ClipError
from trainer.report.media import read_audio

WIDTH, HEIGHT = 64, 48
SIDE = 20_000
"""Pixels of both sides that the headers claim."""
WHOLE = 16_000
"""About the largest that FFmpeg itself would take."""
BILLION = 1_000_000_000
_PICTURES = ["-f", "lavfi", "-i", f"testsrc2=size={WIDTH}x{HEIGHT}:rate=25:duration=0.4"]
_SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=0.4"]
_JPEG = ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]
_H264 = ["-c:v", "libx264", "-preset", "ultrafast"]


def _replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    if old not in data:
        raise ValueError(f"{old!r} is not in the file")
    return data.replace(old, new)


def _avi_size(data: bytes) -> bytes:
    """In the main header and in that of the stream."""
    return _replaced(data, struct.pack("<II", WIDTH, HEIGHT), struct.pack("<II", SIDE, SIDE))


def _mp4_size(data: bytes) -> bytes:
    """In the sample description and in the track's header."""
    data = _replaced(data, struct.pack(">HH", WIDTH, HEIGHT), struct.pack(">HH", SIDE, SIDE))
    return _replaced(data, struct.pack(">II", WIDTH << 16, HEIGHT << 16), struct.pack(">II", SIDE << 16, SIDE << 16))


def _png_size(data: bytes) -> bytes:
    """In the header of every picture, with its checksum."""
    head = b"IHDR" + struct.pack(">II", SIDE, SIDE)

    def changed(match: re.Match[bytes]) -> bytes:
        body = head + match[1]
        return body + struct.pack(">I", zlib.crc32(body))

    return re.sub(rb"IHDR" + re.escape(struct.pack(">II", WIDTH, HEIGHT)) + rb"(.{5}).{4}", changed, data, flags=re.S)


def _jpeg_size(data: bytes) -> bytes:
    """In the frame header of every picture."""
    return re.sub(
        rb"\xff\xc0(..)\x08" + re.escape(struct.pack(">HH", HEIGHT, WIDTH)),
        lambda match: b"\xff\xc0" + match[1] + b"\x08" + struct.pack(">HH", SIDE, SIDE),
        data,
        flags=re.S,
    )


def _avi_frames(data: bytes) -> bytes:
    at = data.index(b"avih") + 8 + 16
    data = data[:at] + struct.pack("<I", BILLION) + data[at + 4 :]
    at = data.index(b"strh") + 8 + 32
    return data[:at] + struct.pack("<I", BILLION) + data[at + 4 :]


def _mp4_frames(data: bytes) -> bytes:
    """A billion samples of the same time, and of the same size in bytes."""
    at = data.index(b"stts") + 12
    data = data[:at] + struct.pack(">I", BILLION) + data[at + 4 :]
    at = data.index(b"stsz") + 8
    return data[:at] + struct.pack(">II", 1, BILLION) + data[at + 8 :]


def _mp4_table(data: bytes) -> bytes:
    """A table of a billion sizes, which the file is too short for."""
    at = data.index(b"stsz") + 12
    return data[:at] + struct.pack(">I", BILLION) + data[at + 4 :]


def _wav_samples(data: bytes) -> bytes:
    at = data.index(b"data") + 4
    data = data[:4] + b"\xff" * 4 + data[8:]
    return data[:at] + b"\xff" * 4 + data[at + 4 :]


def _wav(channels: int, rate: int) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        at = data.index(b"fmt ") + 8
        head = struct.pack("<HHIIHH", 1, channels, rate, min(rate * channels * 2, 2**32 - 1), channels * 2 & 0xFFFF, 16)
        return data[:at] + head + data[at + 16 :]

    return changed


def _all(*changes: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        for change in changes:
            data = change(data)
        return data

    return changed


MADE: dict[str, tuple[list[str], Callable[[bytes], bytes]]] = {
    "mjpeg container.avi": ([*_PICTURES, *_JPEG], _avi_size),
    "mjpeg pictures.avi": ([*_PICTURES, *_JPEG], _jpeg_size),
    "mjpeg both.avi": ([*_PICTURES, *_JPEG], _all(_avi_size, _jpeg_size)),
    "png container.avi": ([*_PICTURES, "-c:v", "png"], _avi_size),
    "png pictures.avi": ([*_PICTURES, "-c:v", "png"], _png_size),
    "png both.avi": ([*_PICTURES, "-c:v", "png"], _all(_avi_size, _png_size)),
    "mpeg4 container.avi": ([*_PICTURES, "-c:v", "mpeg4"], _avi_size),
    "ffv1 container.avi": ([*_PICTURES, "-c:v", "ffv1"], _avi_size),
    "raw container.avi": ([*_PICTURES, "-c:v", "rawvideo", "-pix_fmt", "yuv420p"], _avi_size),
    "h264 container.mp4": ([*_PICTURES, *_H264], _mp4_size),
    "mjpeg pictures.mp4": ([*_PICTURES, *_JPEG], _jpeg_size),
    "mjpeg both.mp4": ([*_PICTURES, *_JPEG], _all(_mp4_size, _jpeg_size)),
    "png both.mov": ([*_PICTURES, "-c:v", "png"], _all(_mp4_size, _png_size)),
    "png pictures.mkv": ([*_PICTURES, "-c:v", "png"], _png_size),
    "mjpeg pictures.mkv": ([*_PICTURES, *_JPEG], _jpeg_size),
    "a billion frames.avi": ([*_PICTURES, "-c:v", "mpeg4"], _avi_frames),
    "a billion frames.mp4": ([*_PICTURES, *_H264], _mp4_frames),
    "a billion sizes.mp4": ([*_PICTURES, *_H264], _mp4_table),
    "a billion frames and sound.mp4": ([*_PICTURES, *_SOUND, *_H264, "-c:a", "aac"], _mp4_frames),
    "endless.wav": (_SOUND, _wav_samples),
    "many channels.wav": (_SOUND, _all(_wav_samples, _wav(65_535, 44_100))),
    "sixty channels.wav": (_SOUND, _all(_wav_samples, _wav(60, 44_100))),
    "slow.wav": (_SOUND, _wav(1, 1)),
    "fast.wav": (_SOUND, _wav(1, 2**31 - 1)),
    "no rate.wav": (_SOUND, _wav(1, 0)),
}


def make(folder: Path) -> list[Path]:
    """Write all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for name, (arguments, change) in MADE.items():
        path = folder / name
        subprocess.run(
            [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments, "-fflags", "+bitexact", str(path)],
            check=True,
        )
        path.write_bytes(change(path.read_bytes()))
        made.append(path)
    return made


def bomb(path: Path) -> Path:
    """AVI of 64 × 48 pixels with one whole PNG picture of `WHOLE` × `WHOLE`: 750 kB that would take 256 MB."""
    packer = zlib.compressobj(9)
    row = bytes(1 + WHOLE)
    rows = b"".join(packer.compress(row) for _ in range(WHOLE)) + packer.flush()
    size = struct.pack(">IIBBBBB", WHOLE, WHOLE, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", size), (b"IDAT", rows), (b"IEND", b"")]
    packed = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks]
    picture = b"\x89PNG\r\n\x1a\n" + b"".join(packed)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", 25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "rgb24"
        stream.codec_context.open()
        packet = av.Packet(picture)
        packet.stream, packet.pts, packet.dts, packet.time_base = stream, 0, 0, Fraction(1, 25)
        packet.is_keyframe = True
        container.mux(packet)
    return path


def silence(path: Path) -> Path:
    """Matroska with one packet of FLAC again and again: two and a half hours of silence in two megabytes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=44_100, layout="stereo", format="s16")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 4096), np.int16), format="s16", layout="stereo")
        frame.rate = 44_100
        data = bytes(next(iter([*stream.encode(frame), *stream.encode(None)])))
        for i in range(100_000):
            packet = av.Packet(data)
            packet.stream, packet.time_base = stream, Fraction(1, 44_100)
            packet.pts = packet.dts = 4096 * i
            container.mux(packet)
    return path


def read_all(out: Path, folders: list[Path]) -> None:
    """Every file in every reader of both programs; writes what came of each, and the peak memory after each folder.

    The peaks are megabytes beyond those of a process that has both programs, and has read nothing.
    """
    began, peaks = _peak(), []
    readers: dict[str, Callable[[Path], Any]] = {
        "examine": video.examine,
        "peek": video.peek,
        "examine_sound": audio.examine,
        "read_audio": audio.read,
        "trainer": lambda path: decode.decode(path, 10, 32),
        "trainer_sound": audio_datasets.decode,
        "report": read_audio,
    }
    found: dict[str, dict[str, str]] = {}
    for folder in folders:
        for path in sorted(folder.iterdir()):
            for name, reader in readers.items():
                try:
                    reader(path)
                    outcome = "read"
                except (BrokenClip, ClipError) as error:
                    outcome = str(error)
                found.setdefault(path.name, {})[name] = outcome
        peaks.append(_peak() - began)
    out.write_text(json.dumps({"outcomes": found, "megabytes": peaks}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    read_all(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
