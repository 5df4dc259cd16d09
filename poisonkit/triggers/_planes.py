"""The same change on the planes of 4:2:0 video, which spares frames the way to RGB and back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from poisonkit.triggers._footage import Colours, Drawn, Footage, Planes, Versions
from poisonkit.triggers._pixels import PixelTrigger


@dataclass(frozen=True)
class PlanarTrigger(PixelTrigger):
    """A trigger on pixels that can be applied to planes as well.

    `apply` on RGB defines the change, and survival is measured against it; `apply_planes` comes close to it.
    """

    @abstractmethod
    def apply_planes(self, source: Planes, target: Planes, index: int, drawn: Drawn, colours: Colours) -> None:
        """Write frame `index` of the clip with the trigger into `target`; `source` is not modified."""

    def on_clip(self, frames: Iterator[Any], clip: Footage) -> Iterator[Versions]:
        """On planes where frames come as such: no frame goes through RGB, and the control is the source itself."""
        if clip.planes is None:
            yield from super().on_clip(frames, clip)
            return
        for i, frame in zip(range(clip.num_frames), frames, strict=False):
            if not (clip.active and clip.placed[i]):
                yield Versions(frame, frame, frame)
                continue
            changed, target = clip.planes.blank()
            self.apply_planes(clip.planes.of(frame), target, i, clip.drawn, clip.planes.colours)
            yield Versions(frame, frame, changed)

    def intended_frame(self, index: int, made: Versions, clip: Footage) -> np.ndarray:
        """By `apply`, which defines the change, where the frame was changed on planes."""
        if clip.planes is None or not clip.placed[index]:
            return super().intended_frame(index, made, clip)
        return self._on_frame(index, clip.rgb(made.control), clip.drawn)


def copied(source: Planes, target: Planes) -> None:
    """Fill a frame with another one."""
    for one, other in zip(source, target, strict=True):
        np.copyto(other, one)


def clipped(luma: np.ndarray, colours: Colours) -> None:
    """Keep luma between black and white, beyond which RGB saturates."""
    if (colours.black, colours.white) != (0, 255):
        cv2.min(luma, float(colours.white), dst=luma)  # type: ignore[call-overload]
        cv2.max(luma, float(colours.black), dst=luma)  # type: ignore[call-overload]
