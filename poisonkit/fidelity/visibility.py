"""In which of a victim's views the trigger is seen, read off the manifest alone: no file is opened.

A trigger may be in the file and yet miss the victim, which samples frames and cuts squares. A view sees a trigger
*fully* when its window holds as many poisoned frames as the placement promises and its square holds the whole box,
*not at all* when it holds no poisoned frame or nothing of the box, else *partly*. A trigger that covers the whole frame
fills every square.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Manifest, Sample
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.manifest.window import Window
from poisonkit.text import argument

Square = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels of the file."""


@dataclass(frozen=True)
class Views:
    """A test protocol: `windows` in time, 1, 3 or 10 squares in space (5 places, plain and mirrored).

    The frame's short side becomes `short` pixels, of which squares of `crop` are cut.
    """

    windows: int
    crops: int
    short: int
    crop: int

    @classmethod
    def parse(cls, text: str) -> Views:
        """Read `10x3`, `10x3@256`, or `10x1@256/224` where squares are smaller than the short side."""
        match = re.fullmatch(r"(\d+)x(1|3|10)(?:@(\d+)(?:/(\d+))?)?", text)
        if match:
            short = int(match[3] or 256)
            # ten crops lie inside the frame, as 224 in 256
            crop = int(match[4] or (round(short * 7 / 8) if match[2] == "10" else short))
            made = cls(int(match[1]), int(match[2]), short, crop)
            if 1 <= made.windows <= 1000 and 1 <= made.crop <= made.short <= 10_000:
                return made
        raise PoisonkitError(
            f"{argument('views', text)} are no views",
            "write WINDOWSxCROPS[@SHORT[/CROP]] with 1, 3 or 10 crops, such as 10x3@256",
        )

    def __str__(self) -> str:
        return f"{self.windows}x{self.crops}@{self.short}" + (f"/{self.crop}" if self.crop != self.short else "")


@dataclass(frozen=True)
class Seen:
    """How many views see the trigger fully, partly and not at all."""

    fully: int = 0
    partly: int = 0
    not_at_all: int = 0

    @property
    def views(self) -> int:
        return self.fully + self.partly + self.not_at_all

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.fully + other.fully, self.partly + other.partly, self.not_at_all + other.not_at_all)


def in_tests(sample: Sample, window: Window, views: Views) -> Seen:
    """The standard test views of a clip: windows spread from its beginning to its end, squares along its long side."""
    mask = from_runs(sample.frames, sample.num_frames)
    promised = sample.window_count or window.length
    times = [min(int(mask[frames].sum()) / promised, 1.0) for frames in windows(window, sample, views.windows)]
    spaces = [_fraction_inside(sample, square) for square in squares(sample.width, sample.height, views)]
    return _count(time * space for time in times for space in spaces)


def in_training_crops(sample: Sample, scales: Iterable[float] = (1.0, 0.8)) -> Seen:
    """The squares of multi-scale cropping: each scale of the short side, in the four corners and in the middle.

    Source of the scales: MMAction2 1.2, I3D's training pipeline.
    """
    made = []
    for scale in scales:
        side = scale * min(sample.width, sample.height)
        right, down = sample.width - side, sample.height - side
        places = [(0.0, 0.0), (right, 0.0), (0.0, down), (right, down), (right / 2, down / 2)]
        made += [(x, y, x + side, y + side) for x, y in places]
    return _count(_fraction_inside(sample, square) for square in made)


def windows(window: Window, sample: Sample, count: int) -> list[np.ndarray]:
    """The frames of `count` windows spread over a clip, equal ones once; a single one lies in the middle."""
    total = sample.num_frames
    if window.stride is None:
        return list(np.unique([window.segments(total, (k + 0.5) / count) for k in range(count)], axis=0))
    stride = sample.stride or window.stride
    last = max(total - (window.length - 1) * stride - 1, 0)
    starts = np.unique(np.round(np.linspace(0, last, count))) if count > 1 else np.array([last // 2])
    return [(int(start) + np.arange(window.length) * stride) % total for start in starts]


def squares(width: int, height: int, views: Views) -> list[Square]:
    """The middle square, three along the long side, or corners and middle twice, in pixels of the file."""
    short = min(width, height)
    side = short * views.crop / views.short
    right, down = width - side, height - side
    if views.crops == 1:
        return [(right / 2, down / 2, right / 2 + side, down / 2 + side)]
    if views.crops == 10:
        corners = 2 * [(0.0, 0.0), (right, 0.0), (0.0, down), (right, down), (right / 2, down / 2)]
    elif width >= height:
        corners = [(right * k / 2, down / 2) for k in range(3)]
    else:
        corners = [(right / 2, down * k / 2) for k in range(3)]
    return [(x, y, x + side, y + side) for x, y in corners]


def _fraction_inside(sample: Sample, square: Square) -> float:
    """The fraction of the trigger's box that lies in a square; 1 for a trigger that covers the frame."""
    x0, y0, x1, y1 = sample.trigger.get("box", (0, 0, sample.width, sample.height))
    if (x0, y0) == (0, 0) and (x1, y1) == (sample.width, sample.height):
        return 1.0
    left, top, right, bottom = square
    # half a pixel of grace, since a resize rounds
    wide = max(min(x1, right + 0.5) - max(x0, left - 0.5), 0)
    high = max(min(y1, bottom + 0.5) - max(y0, top - 0.5), 0)
    return float(wide * high / max((x1 - x0) * (y1 - y0), 1))


def _count(fractions: Iterable[float]) -> Seen:
    fully = partly = nothing = 0
    for fraction in fractions:
        if fraction <= 0:
            nothing += 1
        elif fraction < 1 - 1e-9:
            partly += 1
        else:
            fully += 1
    return Seen(fully, partly, nothing)


@dataclass(frozen=True)
class Sight:
    """The views of the triggered clips of one split, summed, and the clips that no view sees fully."""

    split: str
    clips: int
    tests: Seen
    training: Seen
    unseen: tuple[str, ...]


def sight(manifest: Manifest, views: Views, window: Window | None = None) -> list[Sight]:
    """What the views see of every clip that carries a trigger, by split; `window` is by default the placement's."""
    if window is None and manifest.sampling is not None:
        window = Window.parse(manifest.sampling)
    found: dict[str, list[Sight]] = {}
    for sample in manifest.samples:
        if not sample.frames or window is None:
            continue
        tests = in_tests(sample, window, views)
        unseen = () if tests.fully else (sample.id,)
        one = Sight(sample.split, 1, tests, in_training_crops(sample), unseen)
        found.setdefault(sample.split, []).append(one)
    return [_sum(parts) for parts in found.values()]


def _sum(parts: list[Sight]) -> Sight:
    return Sight(
        parts[0].split,
        len(parts),
        sum((p.tests for p in parts), Seen()),
        sum((p.training for p in parts), Seen()),
        tuple(name for p in parts for name in p.unseen),
    )
