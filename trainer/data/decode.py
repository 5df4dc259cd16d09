"""Reading video files with PyAV, and what readers of audio share."""

from __future__ import annotations

import itertools
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation, VideoReformatter
from numpy.typing import NDArray

from trainer.data.crops import Frames, short_side_size
from trainer.errors import ClipError
from trainer.presets.sampling import Indices

MAX_PIXELS = 2**26
"""Of a frame: larger ones are refused before memory is taken for them."""

MAX_PACKETS = 2**26
"""Bytes of a clip that are held while some of its frames are picked: larger files are decoded from their beginning."""

TIMED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm")
"""Containers that say when a frame is shown; AVI leaves it to a guess, which is wrong where frames are reordered."""

RATES = (1_000, 1_000_000)
"""The least and the most samples per second of audio that is read."""

# only demuxers of real media files: a playlist or a script named .avi must not make FFmpeg open other files
_READ_OPTIONS = {
    "format_whitelist": "avi,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mpeg,mpegts,mpegvideo,flv,asf,wav,flac,ogg,mp3",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),  # also while FFmpeg looks into the first packets
}

_LENIENT: dict[str, Any] = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
"""Some real files hold metadata that is not UTF-8; PyAV reads them since its version 19, and had to be told before."""


def open_media(path: Path) -> Any:
    """The container of a media file; raises `ClipError` for what is no regular file or has frames too large."""
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device might never end
        raise ClipError(f"{path} is no regular file", "put the clip itself there")
    container = av.open(str(path), options=_READ_OPTIONS, **_LENIENT)
    for stream in container.streams.video:
        if stream.width * stream.height > MAX_PIXELS:
            container.close()
            raise ClipError(f"{path} has frames of {stream.width}×{stream.height} pixels", "scale it down first")
        # a header may lie: the decoder is told as well
        stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
    return container


def waves(container: Any, stream: Any, path: Path, rate: int) -> Iterator[NDArray[np.float32]]:
    """The audio of a stream at `rate`, piece by piece, `float32 (C, N)`, full scale at ±1.

    Raises `ClipError` where the audio's own rate is one that none has: from 1 Hz, a small file becomes terabytes.
    """
    # packed: of eight or more planes PyAV does not find the end, and the process is lost
    resampler = av.AudioResampler(format="flt", rate=rate)
    for frame in itertools.chain(container.decode(stream), [None]):
        if frame is not None:
            if not RATES[0] <= frame.sample_rate <= RATES[1]:
                raise ClipError(
                    f"the audio of {path} has {frame.sample_rate} samples per second, not {RATES[0]} … {RATES[1]}",
                    "convert it and write the manifest again",
                )
            frame.pts = None  # time stamps with gaps would make the resampler fill them
        for made in resampler.resample(frame):
            yield np.ascontiguousarray(made.to_ndarray().reshape(-1, made.layout.nb_channels).T)


def decode(path: Path, num_frames: int, short_side: int, indices: Indices | None = None) -> Frames:
    """The frames of a clip as `uint8 RGB (T, H, W, 3)`, scaled so that the shorter side is `short_side`.

    `indices` (any order, repeats allowed) picks frames, and what comes after the last of them is not decoded; without
    it all are returned. Raises `ClipError` when the clip cannot be decoded, when it ends early, or when the whole of
    it was read and holds other than `num_frames` frames (counted, since headers lie).
    """
    order = None if indices is None else indices.tolist()
    wanted = None if order is None else set(order)
    enough = None if wanted is None else max(wanted) + 1
    try:
        with open_media(path) as container:
            tried = wanted is not None and _says_when(container, path)
            if tried and wanted is not None and order is not None:
                found = _picked(container, num_frames, short_side, wanted)
                if found is not None:
                    return _in_order(path, found, order)
            else:
                frames, count = _read(container, path, num_frames, short_side, wanted)
        if tried:  # its packets are spent
            with open_media(path) as container:
                frames, count = _read(container, path, num_frames, short_side, wanted)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"cannot decode {path} ({error})", "restore the file or write the manifest again") from None
    if enough is None and count > num_frames:  # however many: a file of a billion frames is not read to its end
        raise ClipError(f"{path} holds more frames than the {num_frames} of its manifest", "write the manifest again")
    if count != num_frames and (enough is None or count < enough):
        raise ClipError(f"{path} holds {count} frames, its manifest says {num_frames}", "write the manifest again")
    if not count:
        raise ClipError(f"{path} holds no frames", "take it out of the data set and write the manifest again")
    return _in_order(path, frames, range(count) if order is None else order)


def _read(
    container: Any, path: Path, num_frames: int, short_side: int, wanted: set[int] | None
) -> tuple[dict[int, Frames], int]:
    """Wanted frames, or all, by decoding from the beginning up to the last of them, and how many were decoded."""
    if not container.streams.video:
        raise ClipError(f"{path} has no video stream", "this model needs video")
    frames: dict[int, Frames] = {}
    count, last = 0, num_frames if wanted is None else max(wanted)
    reformat = VideoReformatter()
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1  # clips are decoded side by side instead
    for count, frame in enumerate(container.decode(stream), start=1):
        if wanted is None or count - 1 in wanted:
            frames[count - 1] = _picture(reformat, frame, short_side)
        if count > last:
            break
    return frames, count


def _says_when(container: Any, path: Path) -> bool:
    """Whether the time stamps of a clip's packets say which frames these are, so that some can be picked."""
    video = container.streams.video
    timed = bool(video) and container.format.name in TIMED and video[0].codec_context.name == "h264"
    return timed and path.stat().st_size <= MAX_PACKETS


def _picked(container: Any, num_frames: int, short_side: int, wanted: set[int]) -> dict[int, Frames] | None:
    """Some frames of a clip without decoding all that lie before them; None where only a full look can tell.

    Frames are known by their time stamps, the k-th in order being frame k. Decoding starts at the last keyframe that
    can show the first wanted one, and leaves out frames that are not wanted and that no other frame is predicted from.
    """
    frames: dict[int, Frames] = {}
    reformat = VideoReformatter()
    stream = container.streams.video[0]
    decoder = stream.codec_context
    decoder.thread_count = 1
    try:
        packets = [packet for packet in container.demux(stream) if packet.size]
        times = sorted({packet.pts for packet in packets if packet.pts is not None})
        if len(times) != num_frames or len(packets) != num_frames or max(wanted) >= num_frames:
            return None
        asked = {times[k]: k for k in wanted}
        for packet, skip in _needed(packets, asked):
            decoder.skip_frame = skip
            for frame in decoder.decode(packet):
                if frame.pts in asked:
                    frames[asked[frame.pts]] = _picture(reformat, frame, short_side)
            if len(frames) == len(wanted):
                return frames
    except (av.FFmpegError, OSError, ValueError):
        pass
    return None


def _needed(packets: Sequence[Any], asked: Container[int]) -> list[tuple[Any, str]]:
    """What goes to the decoder for the frames shown at `asked` times, each with what the decoder may leave out there.

    `NONREF`: a frame from which no other is predicted. The last, None, empties the decoder.
    """
    first = min(packet.pts for packet in packets if packet.pts in asked)
    start = max((k for k, packet in enumerate(packets) if packet.is_keyframe and packet.pts <= first), default=0)
    chosen = [(packet, "DEFAULT" if packet.pts in asked else "NONREF") for packet in packets[start:]]
    return [*chosen, (None, "DEFAULT")]


def _picture(reformat: VideoReformatter, frame: Any, short_side: int) -> Frames:
    height, width = short_side_size(frame.height, frame.width, short_side)
    # more threads would wait in a forked worker for the parent's, which are not there
    picture = reformat.reformat(frame, width, height, "rgb24", interpolation=Interpolation.AREA, threads=1)
    return picture.to_ndarray().astype(np.uint8, copy=False)


def _in_order(path: Path, frames: Mapping[int, Frames], order: Iterable[int]) -> Frames:
    try:
        return np.stack([frames[k] for k in order])
    except ValueError:
        raise ClipError(f"{path} changes its frame size midway", "convert it to one size first") from None
