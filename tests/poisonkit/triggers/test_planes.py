"""Triggers on the planes of 4:2:0 video make the change that they define on RGB, as well as going through RGB does."""

from __future__ import annotations

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from poisonkit.clip.video_attack import plane_access
from poisonkit.fidelity.video import SurvivalMeter
from poisonkit.manifest import Survival
from poisonkit.media import planes
from poisonkit.media.colour import convert, to_rgb
from poisonkit.media.video import VideoInfo
from poisonkit.media.writer import colours_of
from poisonkit.triggers import TRIGGERS, PlanarTrigger, Planes

PLANAR = sorted(name for name, kind in TRIGGERS.items() if issubclass(kind, PlanarTrigger))
HEIGHT, WIDTH, INDEX = 120, 176, 5


def information(colorspace: int, color_range: int) -> VideoInfo:
    rate = Fraction(25)
    shape = {"width": WIDTH, "height": HEIGHT, "fps": rate, "time_base": 1 / rate, "pts": tuple(range(8))}
    colour = {"colorspace": colorspace, "color_range": color_range, "aspect": None}
    return VideoInfo("h264", planes.FORMAT, **shape, **colour, bit_rate=1, audio=())  # type: ignore[arg-type]


def stored(rgb: np.ndarray, info: VideoInfo) -> av.VideoFrame:
    return convert(av.VideoFrame.from_ndarray(rgb, format="rgb24"), planes.FORMAT, **colours_of(info))


def picture() -> np.ndarray:
    """Like a photograph: most of the detail is luma, colours are weaker and change slowly."""
    rng = np.random.default_rng(0)

    def grid(rows: int, columns: int, reach: int) -> np.ndarray:
        points = rng.uniform(-reach, reach, (rows, columns, 3)).astype(np.float32)
        return np.asarray(cv2.resize(points, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC))

    grey = grid(18, 26, 60)[..., :1] + rng.integers(-6, 7, (HEIGHT, WIDTH, 1))
    return np.clip(128 + grey + grid(5, 7, 40), 0, 255).astype(np.uint8)


def kept(source: np.ndarray, meant: np.ndarray, made: np.ndarray) -> Survival:
    meter = SurvivalMeter()
    meter.add(source, meant, source, made)
    return meter.result()


@pytest.mark.parametrize(
    ("colorspace", "color_range"),
    [
        (int(Colorspace.ITU601), int(ColorRange.MPEG)),
        (int(Colorspace.ITU709), int(ColorRange.MPEG)),
        (int(Colorspace.ITU601), int(ColorRange.JPEG)),
    ],
    ids=["bt601", "bt709", "full range"],
)
@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("name", PLANAR)
def test_planes_come_as_close_as_the_way_through_rgb(name: str, mode: str, colorspace: int, color_range: int) -> None:
    info = information(colorspace, color_range)
    trigger = TRIGGERS[name].build(mode, {})
    assert isinstance(trigger, PlanarTrigger)
    drawn = trigger.draw(8, (HEIGHT, WIDTH), np.random.default_rng(1))
    frame = stored(picture(), info)
    frame.colorspace, frame.color_range = colorspace, color_range
    source = to_rgb(frame)
    before = [plane.copy() for plane in planes.planes_of(frame)]
    meant = trigger(source[None], np.array([INDEX]), np.array([True]), drawn)[0]

    changed, target = planes.blank(WIDTH, HEIGHT)
    trigger.apply_planes(Planes(*planes.planes_of(frame)), Planes(*target), INDEX, drawn, plane_access(info).colours)
    through = stored(meant, info)
    for made in (changed, through):
        made.colorspace, made.color_range = colorspace, color_range
    found, usual = (kept(source, meant, to_rgb(made)) for made in (changed, through))

    assert all(np.array_equal(a, b) for a, b in zip(before, planes.planes_of(frame), strict=True))
    assert found.gain is not None
    assert found.correlation is not None
    assert usual.gain is not None
    assert usual.correlation is not None
    assert found.correlation >= usual.correlation
    assert abs(found.gain - 1) <= abs(usual.gain - 1) + 0.015
