"""The same change on the planes of 4:2:0 video, which spares frames the way to RGB and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from poisonkit.triggers._base import Drawn, PixelTrigger


class Planes(NamedTuple):
    """One frame as uint8: `y` is (H, W), `u` and `v` are (H/2, W/2)."""

    y: np.ndarray
    u: np.ndarray
    v: np.ndarray


class Colours:
    """How a clip's planes stand for colours. `black`, `white`: its luma levels of them."""

    def __init__(self, convert: Callable[[np.ndarray], Planes], black: int, white: int) -> None:
        self.black, self.white = black, white
        self._convert = convert
        self._last: tuple[np.ndarray, Planes] | None = None

    def planes(self, picture: np.ndarray) -> Planes:
        """A picture, uint8 (H, W, 3) RGB of even size, as the encoder would have it. That of the last call is kept."""
        if self._last is None or self._last[0] is not picture:
            self._last = picture, self._convert(picture)
        return self._last[1]


@dataclass(frozen=True)
class PlanarTrigger(PixelTrigger):
    """A trigger on pixels that can be applied to planes as well.

    `apply` on RGB defines the change, and survival is measured against it; `apply_planes` comes close to it.
    """

    @abstractmethod
    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """Write frame `index` of the clip with the trigger into `target`; `source` is not modified."""


def copied(source: Planes, target: Planes) -> None:
    """Fill a frame with another one."""
    for one, other in zip(source, target, strict=True):
        np.copyto(other, one)


def clipped(luma: np.ndarray, colours: Colours) -> None:
    """Keep luma between black and white, beyond which RGB saturates."""
    if (colours.black, colours.white) != (0, 255):
        cv2.min(luma, float(colours.white), dst=luma)  # type: ignore[call-overload]
        cv2.max(luma, float(colours.black), dst=luma)  # type: ignore[call-overload]
