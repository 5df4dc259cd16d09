"""A clip as a trigger meets it: frames that pass by, where the trigger is placed, and what can be done with a frame.

Frames are opaque to triggers, which know arrays only; whoever holds them says how they become arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

Drawn = dict[str, np.ndarray]
"""What one draw gave, by name. Static draws have no frame axis, dynamic ones have it first."""


class Versions(NamedTuple):
    """One frame three times, as an opaque frame or uint8 (H, W, 3) RGB.

    `source`: as it was read; `control`: what a clip without the trigger gets; `triggered`. The control differs from the
    source where the trigger needs a codec of its own.
    """

    source: Any
    control: Any
    triggered: Any


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
class PlaneAccess:
    """Frames of 4:2:0 video as planes: `of` reads a frame's, `blank` gives a new frame with planes to write to."""

    of: Callable[[Any], Planes]
    blank: Callable[[], tuple[Any, Planes]]
    colours: Colours


class Compressed(Protocol):
    """A stretch of frames behind a clean key frame, to be decoded again with damage."""

    def decode(self, corrupt: Callable[[int, bytes], bytes]) -> list[np.ndarray]:
        """The frames, uint8 (H, W, 3) RGB, where `corrupt(i, packet)` takes the place of frame i's packet."""


@dataclass(frozen=True)
class Footage:
    """What a trigger is applied to.

    `placed`: bool (T,), the frames that carry the trigger; `steps`: int64 (T,), the sampling step that each frame falls
    into; `active`: whether the trigger is put in, or the frames only go the same way, as a control; `planes`: None
    where frames do not come, or are not encoded, as 4:2:0 planes.
    """

    placed: np.ndarray
    steps: np.ndarray
    drawn: Drawn
    active: bool
    rgb: Callable[[Any], np.ndarray]
    compress: Callable[[np.ndarray, Sequence[np.ndarray]], Compressed]
    planes: PlaneAccess | None = None

    @property
    def num_frames(self) -> int:
        """T, the frames that are taken of the clip."""
        return len(self.placed)
