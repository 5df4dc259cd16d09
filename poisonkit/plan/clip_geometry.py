"""Which frames of a clip are written, and at which size: as they are, scaled, or sampled as a victim would.

An attacker who knows the victim's pipeline can write exactly what it takes, so that nothing is lost on the way.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from typing import Any

import cv2

from poisonkit.errors import PoisonkitError
from poisonkit.media.colour import rgb_of
from poisonkit.media.video import VideoInfo
from poisonkit.plan.placement import Window
from poisonkit.text import argument


@dataclass(frozen=True)
class Geometry:
    """`clip`: the one window whose frames are written, None for all of them; `short_side`: in pixels, None as it is."""

    clip: Window | None = None
    short_side: int | None = None

    @classmethod
    def parse(cls, clip: str | None, short_side: int | None) -> Geometry:
        """Read `--clip 32x2@256` and `--short-side 256`; raises `PoisonkitError` for what neither can be."""
        window = None
        if clip is not None:
            match = re.fullmatch(r"([^@]+)@(\d+)", clip)
            if match is None:
                raise PoisonkitError(
                    f"{argument('clip', clip)} is no clip",
                    "write WINDOW@SHORT, the victim's sampling and short side, such as 32x2@256 or uniform:8@256",
                )
            if short_side is not None:
                raise PoisonkitError(
                    f"{argument('short_side', short_side)} and {argument('clip', clip)} both give a size",
                    f"leave out {argument('short_side')}",
                )
            window, short_side = Window.parse(match[1]), int(match[2])
        if short_side is not None and not 16 <= short_side <= 4096:
            raise PoisonkitError(f"a short side of {short_side} pixels cannot be written", "give 16 … 4096")
        return cls(window, short_side)

    @property
    def plain(self) -> bool:
        """Whether frames stay as they are."""
        return self.clip is None and self.short_side is None

    def of(self, info: VideoInfo) -> VideoInfo:
        """What the written pictures of a clip are."""
        if self.short_side is not None:
            height, width = self.size(info)
            info = dataclasses.replace(info, width=width, height=height)
        if self.clip is not None:
            # the window's frames follow one another at the rate at which the victim takes them
            fps = info.fps / (self.clip.stride or Fraction(max(info.num_frames, 1), self.clip.length))
            fps = fps.limit_denominator(1001)
            pts = tuple(range(self.clip.length))
            info = dataclasses.replace(info, fps=fps, time_base=1 / fps, pts=pts, audio=(), cut=False)
        return info

    def size(self, info: VideoInfo) -> tuple[int, int]:
        """Height and width that are written: the short side as asked, both even, since 4:2:0 wants that."""
        if self.short_side is None:
            return info.height, info.width
        scale = self.short_side / min(info.height, info.width)
        height, width = (max(2 * round(side * scale / 2), 2) for side in (info.height, info.width))
        return height, width

    def frames(self, frames: Iterator[Any], info: VideoInfo) -> Iterator[Any]:
        """The pictures to write, of a clip whose own form is `info`: PyAV frames, or uint8 (H, W, 3) RGB if scaled."""
        chosen = self._sampled(frames, info.num_frames) if self.clip is not None else frames
        if self.short_side is None:
            yield from chosen
            return
        height, width = self.size(info)
        for frame in chosen:
            picture = rgb_of(frame)
            # antialiased, as victims' resizes are
            how = cv2.INTER_AREA if height < picture.shape[0] else cv2.INTER_LINEAR
            yield cv2.resize(picture, (width, height), interpolation=how)

    def _sampled(self, frames: Iterator[Any], num_frames: int) -> Iterator[Any]:
        if self.clip is None:
            raise ValueError("nothing is sampled")
        places = self.clip.middle(num_frames)
        wanted = set(places.tolist())
        kept = {i: frame for i, frame in enumerate(islice(frames, int(places.max()) + 1)) if i in wanted}
        for place in places.tolist():
            yield kept[place]

    def text(self) -> str | None:
        """As the option that asks for it; None where nothing changes."""
        return None if self.clip is None else f"{self.clip}@{self.short_side}"


AS_IS = Geometry()
"""All frames at their own size."""
