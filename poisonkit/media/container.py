"""Media files: opened safely, and within bounds."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.error

from poisonkit.errors import BrokenClip
from poisonkit.text import argument

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


def open_media(path: Path) -> Any:
    """The container of a media file; nothing but files of real media formats is ever opened."""
    if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe or a device might never end
        raise BrokenClip(
            f"{path} is no regular file",
            f"put the clip itself there, or go on without it by {argument('skip_broken', True)}",
        )
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
            f"{path} cannot be decoded: {reason}",
            f"repair or remove it, or go on without it by {argument('skip_broken', True)}",
        ) from None


def refuse_environment(path: Path, error: Exception) -> None:
    """Raise an `OSError` where the machine is to blame for an error of FFmpeg's, and not the data."""
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
        raise OSError(error.errno, error.strerror, str(path)) from None
    if isinstance(error, OSError) and error.errno == errno.EIO:  # FFmpeg says so of damaged files too
        with path.open("rb") as file:
            while file.read(1 << 20):
                pass


def holdable(count: int) -> bool:
    """Whether so many bytes of one clip are held in memory rather than read again."""
    return count <= HELD_BYTES


def check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise BrokenClip(
            f"{path} has frames of {width}×{height} pixels, more than the {MAX_PIXELS} that are read",
            f"scale it down, or go on without it by {argument('skip_broken', True)}",
        )


def video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        raise BrokenClip(f"{path} holds no video", f"remove it, or go on without it by {argument('skip_broken', True)}")
    stream = container.streams.video[0]
    check_size(path, stream.width, stream.height)
    # a header may lie: the decoder is told as well
    stream.codec_context.options = {**stream.codec_context.options, "max_pixels": str(MAX_PIXELS)}
    stream.thread_type = "NONE"  # workers are processes; threads inside them would only contend
    return stream
