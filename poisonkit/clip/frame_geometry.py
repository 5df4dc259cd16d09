"""A plan's geometry carried out: the frames of a clip that are written, at the size that is asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

import cv2

from poisonkit.manifest.window import Window
from poisonkit.media.colour import rgb_of
from poisonkit.media.video import VideoInfo
from poisonkit.plan.clip_geometry import Geometry


def written(geometry: Geometry, info: VideoInfo) -> VideoInfo:
    """What the written video of a clip is, whose own form is `info`."""
    if geometry.short_side is not None:
        height, width = geometry.size(info.height, info.width)
        info = dataclasses.replace(info, width=width, height=height)
    if geometry.clip is not None:
        # the window's frames follow one another at the rate at which the victim takes them
        fps = info.fps / (geometry.clip.stride or Fraction(max(info.num_frames, 1), geometry.clip.length))
        fps = fps.limit_denominator(1001)
        pts = tuple(range(geometry.clip.length))
        info = dataclasses.replace(info, fps=fps, time_base=1 / fps, pts=pts, audio=(), cut=False)
    return info


def frames_of(geometry: Geometry, frames: Iterator[Any], info: VideoInfo) -> Iterator[Any]:
    """The frames to write, of a clip whose own form is `info`: PyAV frames, or uint8 (H, W, 3) RGB if scaled."""
    chosen = frames if geometry.clip is None else _sampled(geometry.clip, frames, info.num_frames)
    if geometry.short_side is None:
        yield from chosen
        return
    height, width = geometry.size(info.height, info.width)
    for frame in chosen:
        picture = rgb_of(frame)
        # antialiased, as victims' resizes are
        how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_LINEAR
        yield cv2.resize(picture, (width, height), interpolation=how)


def _sampled(window: Window, frames: Iterator[Any], num_frames: int) -> Iterator[Any]:
    places = window.middle(num_frames)
    wanted = set(places.tolist())
    kept = {i: frame for i, frame in enumerate(islice(frames, int(places.max()) + 1)) if i in wanted}
    for place in places.tolist():
        yield kept[place]
