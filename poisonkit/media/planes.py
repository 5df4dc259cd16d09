"""Frames of 4:2:0 video as arrays of their planes, and arrays as frames."""

from __future__ import annotations

from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from poisonkit.media.colour import from_rgb
from poisonkit.media.video import VideoInfo
from poisonkit.media.writer import colours_of
from poisonkit.triggers import Colours, Planes

FORMAT = "yuv420p"
_BLACK, _WHITE = 16, 235
"""Luma of the limited range, which is meant where a file says nothing."""


def planes_of(frame: av.VideoFrame) -> Planes:
    """Views of a frame's planes; they are the decoder's own and not to be written to."""
    return Planes(*(_view(frame, k, 1 if k == 0 else 2) for k in range(3)))


def _view(frame: av.VideoFrame, k: int, divisor: int) -> np.ndarray:
    plane: Any = frame.planes[k]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height // divisor, : frame.width // divisor]


def blank(width: int, height: int) -> tuple[av.VideoFrame, Planes]:
    """A new frame of even size, and its planes to write to."""
    whole = np.empty((height * 3 // 2, width), dtype=np.uint8)
    flat, luma, chroma = whole.reshape(-1), height * width, height * width // 4
    u, v = (flat[start : start + chroma].reshape(height // 2, width // 2) for start in (luma, luma + chroma))
    return av.VideoFrame.from_numpy_buffer(whole, format=FORMAT), Planes(whole[:height], u, v)


def colours(info: VideoInfo) -> Colours:
    """How a clip's planes stand for colours; by the converter that its encoder would use."""
    told = colours_of(info)

    def planes(picture: np.ndarray) -> Planes:
        return Planes(*(part.copy() for part in planes_of(from_rgb(picture, FORMAT, **told))))

    full = info.color_range == ColorRange.JPEG
    return Colours(planes, 0 if full else _BLACK, 255 if full else _WHITE)
