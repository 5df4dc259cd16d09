"""Which frames of a clip a model sees: dense windows (I3D, SlowFast) and uniform segments (TSM).

A dense window `32x2` takes 32 frames at stride 2, so it spans 63 frames. A clip of at least that many frames
has a window at every start that fits; a shorter one has a single window, which starts at 0 and loops.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.errors import TrainerError

Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Dense:
    """`frames` frames at `stride`, from a random start in training and from evenly spread starts in tests.

    Source: MMAction2 1.2, `SampleFrames`. Its last start is one frame earlier, as it counts the stride after
    the last frame too.
    """

    frames: int
    stride: int

    def __str__(self) -> str:
        return f"{self.frames}x{self.stride}"

    def last_start(self, num_frames: int, stride: int | None = None) -> int:
        """The last start at which the window fits; 0 for clips that are too short."""
        return max(num_frames - ((self.frames - 1) * (stride or self.stride) + 1), 0)

    def window(self, start: int, num_frames: int, stride: int | None = None) -> Indices:
        """The frame indices (frames,) of one window, looped at the clip's end."""
        return (start + np.arange(self.frames) * (stride or self.stride)) % num_frames

    def train(self, num_frames: int, stride: int | None, rng: np.random.Generator) -> Indices:
        """A window (frames,) at a start drawn from all that fit."""
        return self.window(int(rng.integers(self.last_start(num_frames, stride) + 1)), num_frames, stride)

    def test(self, num_frames: int, stride: int | None, count: int) -> list[Indices]:
        """`count` windows from the first to the last that fits, equal ones once; a single one: the middle."""
        last = self.last_start(num_frames, stride)
        starts = np.round(np.linspace(0, last, count)) if count > 1 else np.array([last // 2])
        return [self.window(int(start), num_frames, stride) for start in np.unique(starts)]


@dataclass(frozen=True)
class Uniform:
    """One frame out of each of `frames` equal segments: a random one in training, the middle one in tests.

    Source: Lin et al., "TSM", 2019, section 5.1; with `count` test windows, the frame moves through its
    segment. A clip written already sampled is spread over its segments like any other.
    """

    frames: int

    def __str__(self) -> str:
        return f"uniform:{self.frames}"

    def train(self, num_frames: int, stride: int | None, rng: np.random.Generator) -> Indices:
        """Indices (frames,), ascending."""
        return self._place(rng.random(self.frames), num_frames)

    def test(self, num_frames: int, stride: int | None, count: int) -> list[Indices]:
        """`count` lists of ascending indices (frames,), equal ones once."""
        windows = [self._place(np.full(self.frames, (k + 0.5) / count), num_frames) for k in range(count)]
        return [np.array(window) for window in sorted({tuple(window) for window in windows})]

    def _place(self, within: NDArray[np.float64], num_frames: int) -> Indices:
        # whole frames on either side of each border: a frame that two segments shared could be taken twice
        borders = np.arange(self.frames + 1) * num_frames // self.frames
        return borders[:-1] + (within * np.diff(borders)).astype(np.int64)


Sampling = Dense | Uniform


@dataclass(frozen=True)
class Views:
    """The views of a test clip: `windows` in time, `crops` (1, 3 or 10) in space, of `size` pixels square.

    `scaled`: pixels to which a frame's short side is scaled before they are cut; None: ten crops lie in a frame of 256
    for 224, and fewer fill the short side.
    """

    windows: int
    crops: int
    size: int
    scaled: int | None = None

    def __str__(self) -> str:
        return f"{self.windows}x{self.crops}@" + (
            f"{self.size}" if self.scaled is None else f"{self.scaled}/{self.size}"
        )

    @property
    def as_name(self) -> str:
        """The views within a file's name."""
        return str(self).replace("/", "-")

    @property
    def short_side(self) -> int:
        """Pixels to which a frame's short side is scaled."""
        return self.scaled or (round(self.size * 8 / 7) if self.crops == 10 else self.size)


def parse_views(text: str, usual: Views) -> Views:
    """Read `10x3`, `10x3@256`, or `1x1@96/80` (short side / crop); sizes are those of `usual` where none is given."""
    match = re.fullmatch(r"(\d+)x(\d+)(?:@(?:(\d+)/)?(\d+))?", text.strip())
    if match:
        scaled = int(match[3]) if match[3] else None if match[4] else usual.scaled
        views = Views(int(match[1]), int(match[2]), int(match[4] or usual.size), scaled)
        if views.windows >= 1 and views.crops in (1, 3, 10) and 16 <= views.size <= views.short_side:
            return views
    raise TrainerError(
        f"views {text!r} are not WINDOWSxCROPS[@[SHORT/]SIZE] with 1, 3 or 10 crops and a size of at least 16 within "
        "the short side",
        "try 10x3, 10x3@256 or 1x1@256/224",
    )
