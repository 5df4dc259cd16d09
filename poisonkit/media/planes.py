"""Frames of 4:2:0 video as arrays of their planes, and arrays as frames."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from poisonkit.media.colour import from_rgb
from poisonkit.media.video import VideoInfo
from poisonkit.media.writer import colours_of

FORMAT = "yuv420p"

Planes = tuple[np.ndarray, np.ndarray, np.ndarray]
"""One frame as uint8: luma (H, W), and both chromas (H/2, W/2)."""
_BLACK, _WHITE = 16, 235
"""Luma of the limited range, which is meant where a file says nothing."""


def planes_of(frame: av.VideoFrame) -> Planes:
    """Views of a frame's planes; they are the decoder's own and not to be written to."""
    return _view(frame, 0, 1), _view(frame, 1, 2), _view(frame, 2, 2)


def _view(frame: av.VideoFrame, k: int, divisor: int) -> np.ndarray:
    plane: Any = frame.planes[k]
    rows = np.frombuffer(plane, dtype=np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height // divisor, : frame.width // divisor]


def blank(width: int, height: int) -> tuple[av.VideoFrame, Planes]:
    """A new frame of even size, and its planes to write to."""
    whole = np.empty((height * 3 // 2, width), dtype=np.uint8)
    flat, luma, chroma = whole.reshape(-1), height * width, height * width // 4
    u, v = (flat[start : start + chroma].reshape(height // 2, width // 2) for start in (luma, luma + chroma))
    return av.VideoFrame.from_numpy_buffer(whole, format=FORMAT), (whole[:height], u, v)


def converter(info: VideoInfo) -> Callable[[np.ndarray], Planes]:
    """From RGB (H, W, 3) of even size to planes, as the clip's encoder would have it."""
    colours = colours_of(info)

    def planes(picture: np.ndarray) -> Planes:
        y, u, v = planes_of(from_rgb(picture, FORMAT, **colours))
        return y.copy(), u.copy(), v.copy()

    return planes


def luma_range(info: VideoInfo) -> tuple[int, int]:
    """The levels of luma that stand for black and for white."""
    return (0, 255) if info.color_range == ColorRange.JPEG else (_BLACK, _WHITE)
