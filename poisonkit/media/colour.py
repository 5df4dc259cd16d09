"""Frames between YCbCr and RGB, exactly and fast."""

from __future__ import annotations

import threading
from typing import Any

import av
import av.error
import numpy as np
from av.video.reformatter import VideoReformatter

_converter = VideoReformatter()
"""One converter for all frames: it keeps its tables, where a frame's own would make them again."""


def convert(frame: av.VideoFrame, pix_fmt: str, **colour: Any) -> av.VideoFrame:
    """A frame in another pixel format, of the same size."""
    # one thread, since the borders of several threads' slices would depend on the number of cores
    return _converter.reformat(frame, format=pix_fmt, threads=1, **colour)


class _Scratch(threading.local):
    """A frame in which RGB waits for the converter: new memory for each frame costs more than the copy into it."""

    frame: av.VideoFrame | None = None

    def filled(self, picture: np.ndarray) -> av.VideoFrame:
        height, width = picture.shape[:2]
        if self.frame is None or (self.frame.height, self.frame.width) != (height, width):
            self.frame = av.VideoFrame(width, height, "rgb24")
        plane: Any = self.frame.planes[0]
        rows = np.frombuffer(plane, dtype=np.uint8).reshape(height, plane.line_size)
        rows[:, : 3 * width] = picture.reshape(height, 3 * width)
        return self.frame


_scratch = _Scratch()


def from_rgb(picture: np.ndarray, pix_fmt: str, **colour: Any) -> av.VideoFrame:
    """A frame of uint8 (H, W, 3) RGB in any pixel format."""
    if pix_fmt == "rgb24":  # as which the converter would hand the same frame on
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format=pix_fmt)
    return convert(_scratch.filled(picture), pix_fmt, **colour)


def rgb_of(picture: av.VideoFrame | np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) RGB of a frame; arrays are RGB already."""
    return picture if isinstance(picture, np.ndarray) else to_rgb(picture)


def to_rgb(frame: av.VideoFrame) -> np.ndarray:
    """uint8 (H, W, 3) RGB; the one place where planes become the RGB that triggers are defined on."""
    return convert(frame, "rgb24").to_ndarray()
