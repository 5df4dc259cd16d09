"""How visible a change is, and how much of it survived: plain arithmetic on frames, no files.

Frames are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

import cv2
import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Survival, ViewSurvival
from poisonkit.text import argument

CARRIES = 1.0
"""RMS of the intended change, in grey levels, below which a clip carries no trigger."""
MEASURED_FRAMES = 16
_SSIM_RADIUS = 5
"""Pixels around each that SSIM looks at."""
_SSIM_PIXELS = 2**16
"""How many pixels SSIM takes at a time."""
_OUTSIDE = 0.01
"""Fraction of the change inside a square below which the trigger counts as outside of it."""


def measured(mask: np.ndarray) -> np.ndarray:
    """Which frames to measure: at most 16 of the placed ones, spread over the clip; all frames where none is placed."""
    return spread(np.flatnonzero(mask) if mask.any() else np.arange(len(mask)), MEASURED_FRAMES)


def spread(places: np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the places, evenly from the first to the last."""
    if len(places) <= count:
        return places
    made: np.ndarray = places[np.round(np.linspace(0, len(places) - 1, count)).astype(int)]
    return made


@dataclass
class SurvivalMeter:
    """Accumulates survival over frames.

    With `d = triggered − source` and `D = decode(encode(triggered)) − decode(encode(source))` at the same settings:
    `gain = ⟨D, d⟩ / ‖d‖²`, `correlation = ⟨D, d⟩ / (‖D‖ ‖d‖)`, `strength = RMS of d`, all over the measured frames.
    Taking the source instead of the re-encoded source would count the codec's own blur as the trigger's. With
    `per_frame` the gains of single frames that carry the trigger are summed up too.
    """

    per_frame: bool = False
    _gains: list[float] = field(default_factory=list)
    _dd: float = 0.0
    _rr: float = 0.0
    _rd: float = 0.0
    _count: int = 0

    def add(
        self, source: np.ndarray, triggered: np.ndarray, source_back: np.ndarray, triggered_back: np.ndarray
    ) -> None:
        self.add_change(difference(triggered, source), difference(triggered_back, source_back))

    def add_change(self, intended: np.ndarray, left: np.ndarray) -> None:
        """The same with the change that was meant and the one that is left: int16 of frames, float64 (n,) of audio."""
        meant, remaining, kept = _products(intended, left)
        self._dd += meant
        self._rr += remaining
        self._rd += kept
        if self.per_frame and math.sqrt(meant / intended.size) >= CARRIES:
            self._gains.append(kept / meant)
        self._count += intended.size

    def result(self) -> Survival:
        strength = math.sqrt(self._dd / self._count) if self._count else 0.0
        if strength < CARRIES:
            return Survival(gain=None, correlation=None, strength=_round(strength))
        correlation = self._rd / math.sqrt(self._dd * self._rr) if self._rr else 0.0
        found = Survival(gain=_round(self._rd / self._dd), correlation=_round(correlation), strength=_round(strength))
        if self._gains:
            found.gain_mean = _round(float(np.mean(self._gains)))
            found.gain_p10 = _round(float(np.percentile(self._gains, 10)))
        return found


@dataclass
class ViewMeter:
    """Accumulates what a victim's resize and centre crop leave of the trigger, over the measured frames.

    `short`: pixels to which the frame's short side is scaled; `crop`: side of the middle square that is then cut.
    With `d` and `D` as for survival and `V` for cutting and scaling: `energy = s² ‖V D‖² / ‖d‖²` inside the square, for
    a scale of `s` pixels of the file to one of the view, and `correlation = ⟨V D, V d⟩ / (‖V D‖ ‖V d‖)`. Both are 0 for
    a trigger that lies outside the square, and null where the clip carries none.
    """

    short: int
    crop: int
    _whole: float = 0.0
    _count: int = 0
    _inside: float = 0.0
    _left: float = 0.0
    _meant: float = 0.0
    _cross: float = 0.0

    def add_change(self, intended: np.ndarray, left: np.ndarray) -> None:
        """One more frame: the change that was meant and the one that is left, int16 (H, W, 3)."""
        height, width = intended.shape[:2]
        side = max(round(min(height, width) * self.crop / self.short), 1)
        y, x = (height - side) // 2, (width - side) // 2
        self._whole += float(cv2.norm(intended, cv2.NORM_L2SQR))
        self._count += intended.size
        square, remaining = (part[y : y + side, x : x + side].astype(np.float32) for part in (intended, left))
        how = cv2.INTER_AREA if self.crop < side else cv2.INTER_LINEAR  # antialiased, as victims' resizes are
        meant, seen = (cv2.resize(part, (self.crop, self.crop), interpolation=how) for part in (square, remaining))
        area = (side / self.crop) ** 2
        self._inside += float(cv2.norm(square, cv2.NORM_L2SQR))
        kept, own = cv2.norm(seen, cv2.NORM_L2SQR), cv2.norm(meant, cv2.NORM_L2SQR)
        self._left += area * kept
        self._meant += area * own
        self._cross += area * (kept + own - cv2.norm(meant, seen, cv2.NORM_L2SQR)) / 2

    def result(self) -> ViewSurvival:
        name = f"{self.short}/{self.crop}"
        if not self._count or math.sqrt(self._whole / self._count) < CARRIES:
            return ViewSurvival(name, None, None)
        if self._inside < _OUTSIDE * self._whole:
            return ViewSurvival(name, 0.0, 0.0)
        correlation = self._cross / math.sqrt(self._left * self._meant) if self._left * self._meant else 0.0
        return ViewSurvival(name, _round(self._left / self._inside), _round(correlation))


def parse_view(text: str) -> tuple[int, int]:
    """Read a victim's input such as `256/224`: the short side after scaling, and the square that is cut."""
    match = re.fullmatch(r"(\d+)(?:/(\d+))?", text)
    if match:
        short, crop = int(match[1]), int(match[2] or match[1])
        if 1 <= crop <= short <= 10_000:
            return short, crop
    raise PoisonkitError(
        f"{argument('view', text)} is no victim's input", "write SHORT or SHORT/CROP in pixels, such as 256/224"
    )


def difference(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a − b of two frames, int16 (H, W, 3)."""
    return cv2.subtract(a, b, dtype=cv2.CV_16S)


def _products(a: np.ndarray, b: np.ndarray) -> tuple[float, float, float]:
    """⟨a, a⟩, ⟨b, b⟩ and ⟨a, b⟩ of two differences; exact for frames."""
    if a.dtype != np.int16:
        return _dot(a, a), _dot(b, b), _dot(a, b)
    # OpenCV sums squares of int16 ten times as fast as numpy does products: 2⟨a, b⟩ = ‖a + b‖² − ‖a‖² − ‖b‖²
    aa, bb = cv2.norm(a, cv2.NORM_L2SQR), cv2.norm(b, cv2.NORM_L2SQR)
    return aa, bb, (cv2.norm(cv2.add(a, b), cv2.NORM_L2SQR) - aa - bb) / 2


def _dot(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.einsum("i,i->", a, b))  # not `@`, whose threads wait for each other where workers fill all cores


def _round(value: float) -> float:
    return round(value, 4)


@dataclass
class VisibilityMeter:
    """PSNR (dB), SSIM, L2 and L∞ of the written frames against the source's, over the measured frames.

    L2 is the Euclidean norm of a frame's difference with pixels in 0 … 1, the mean over frames; L∞ is in grey levels.
    """

    _squares: float = 0.0
    _count: int = 0
    _ssim: list[float] = field(default_factory=list)
    _norms: list[float] = field(default_factory=list)
    _linf: int = 0

    def add(self, source: np.ndarray, written: np.ndarray) -> None:
        squares = cv2.norm(source, written, cv2.NORM_L2SQR)
        self._squares += squares
        self._norms.append(math.sqrt(squares) / 255)
        self._count += source.size
        self._linf = max(self._linf, int(cv2.norm(source, written, cv2.NORM_INF)))
        self._ssim.append(ssim(source, written))

    @property
    def psnr_db(self) -> float | None:
        """None for equal frames, whose PSNR is infinite."""
        if not self._count or self._squares == 0:
            return None
        return _round(10 * math.log10(255**2 * self._count / self._squares))

    @property
    def ssim(self) -> float | None:
        return _round(float(np.mean(self._ssim))) if self._ssim else None

    @property
    def l2(self) -> float | None:
        return _round(float(np.mean(self._norms))) if self._norms else None

    @property
    def linf(self) -> int:
        return self._linf


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two frames' luma, 1 for equal ones.

    Wang et al. 2004: Gaussian window of 11×11 with σ 1.5, K1 = 0.01, K2 = 0.03, mean over all pixels. At the borders
    the window reflects.
    """
    x, y = (cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (a, b))
    means = cv2.mean(x)[0], cv2.mean(y)[0]
    # it is 1 wherever no window reaches a pixel that differs
    left, top, width, height = cv2.boundingRect(cv2.absdiff(x, y))
    if not width:
        return 1.0
    rows, columns = (_reach(top, top + height, x.shape[0]), _reach(left, left + width, x.shape[1]))
    seen = _reach(columns.start, columns.stop, x.shape[1])
    inside = slice(columns.start - seen.start, columns.stop - seen.start)
    step = max(_SSIM_PIXELS // len(seen), _SSIM_RADIUS)
    total = float(x.size - len(rows) * len(columns))
    for first in rows[::step]:  # in strips that stay in the cache, a third of the time
        last = min(first + step, rows.stop)
        strip = _reach(first, last, x.shape[0])
        cut = slice(strip.start, strip.stop), slice(seen.start, seen.stop)
        found = _ssim_map(x[cut], y[cut], *means)[first - strip.start : last - strip.start, inside]
        total += float(found.sum(dtype=np.float64))
    return total / x.size


def _reach(first: int, last: int, size: int) -> range:
    """The rows, or columns, whose windows reach some between `first` and `last`."""
    return range(max(first - _SSIM_RADIUS, 0), min(last + _SSIM_RADIUS, size))


def _ssim_map(first: np.ndarray, second: np.ndarray, mean_x: float, mean_y: float) -> np.ndarray:
    """SSIM at each pixel of two uint8 pictures (H, W) whose means are about these, as float64.

    With e = x − y, the luminance is 1 − μe² / (μx² + μy² + c1) and contrast times structure 1 − σe² / (σx² + σy² + c2).
    """
    x, y = first.astype(np.float32), second.astype(np.float32)
    x -= mean_x  # about zero float32 is fine enough
    y -= mean_y
    e = x - y
    mx, me = _blur(x), _blur(e)
    my = mx - me
    x *= x
    y *= y
    x += y
    e *= e
    powers, contrast = _blur(x), _blur(e)
    me *= me
    contrast -= me
    powers -= mx * mx
    powers -= my * my
    powers += (0.03 * 255) ** 2
    contrast /= powers
    mx += mean_x
    my += mean_y
    me = mx - my
    mx *= mx
    my *= my
    mx += my
    me *= me
    made: np.ndarray = (1 - contrast) * (1 - me / (mx.astype(np.float64) + (0.01 * 255) ** 2))
    return made


def _blur(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (2 * _SSIM_RADIUS + 1,) * 2, 1.5)
