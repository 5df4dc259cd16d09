"""How visible a change is, and how much of it survived: plain arithmetic on frames, no files.

Frames are uint8 (H, W, 3) RGB.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np

from poisonkit.manifest import Survival

CARRIES = 1.0
"""RMS of the intended change, in grey levels, below which a clip carries no trigger."""
MEASURED_FRAMES = 16


def measured(mask: np.ndarray) -> np.ndarray:
    """Which frames to measure: at most 16 of the placed ones, spread over the clip; all frames where none is placed."""
    frames = np.flatnonzero(mask) if mask.any() else np.arange(len(mask))
    if len(frames) <= MEASURED_FRAMES:
        return frames
    return frames[np.round(np.linspace(0, len(frames) - 1, MEASURED_FRAMES)).astype(int)]


@dataclass
class SurvivalMeter:
    """Accumulates survival over frames.

    With `d = triggered − source` and `D = decode(encode(triggered)) − decode(encode(source))` at the same settings:
    `gain = ⟨D, d⟩ / ‖d‖²`, `correlation = ⟨D, d⟩ / (‖D‖ ‖d‖)`, `strength = RMS of d`, all over the measured frames.
    Taking the source instead of the re-encoded source would count the codec's own blur as the trigger's.
    """

    _dd: float = 0.0
    _rr: float = 0.0
    _rd: float = 0.0
    _count: int = 0

    def add(
        self, source: np.ndarray, triggered: np.ndarray, source_back: np.ndarray, triggered_back: np.ndarray
    ) -> None:
        intended = _flat(triggered) - _flat(source)
        left = _flat(triggered_back) - _flat(source_back)
        self._dd += float(intended @ intended)
        self._rr += float(left @ left)
        self._rd += float(left @ intended)
        self._count += intended.size

    def result(self) -> Survival:
        strength = math.sqrt(self._dd / self._count) if self._count else 0.0
        if strength < CARRIES:
            return Survival(gain=None, correlation=None, strength=_round(strength))
        correlation = self._rd / math.sqrt(self._dd * self._rr) if self._rr else 0.0
        return Survival(gain=_round(self._rd / self._dd), correlation=_round(correlation), strength=_round(strength))


def _flat(frame: np.ndarray) -> np.ndarray:
    # float64: the sums of 16 frames of HD video are beyond float32's 24 bits
    return frame.reshape(-1).astype(np.float64)


def _round(value: float) -> float:
    return round(value, 4)


@dataclass
class VisibilityMeter:
    """PSNR (dB), SSIM and L∞ (grey levels) of the written frames against the source's, over the measured frames."""

    _squares: float = 0.0
    _count: int = 0
    _ssim: list[float] = field(default_factory=list)
    _linf: int = 0

    def add(self, source: np.ndarray, written: np.ndarray) -> None:
        difference = cv2.absdiff(source, written)
        self._squares += float(cv2.norm(difference, cv2.NORM_L2SQR))
        self._count += difference.size
        self._linf = max(self._linf, int(difference.max()))
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
    def linf(self) -> int:
        return self._linf


def ssim(a: np.ndarray, b: np.ndarray) -> float:
    """Structural similarity of two frames' luma, 1 for equal ones.

    Wang et al. 2004: Gaussian window of 11×11 with σ 1.5, K1 = 0.01, K2 = 0.03, mean over all pixels. At the borders
    the window reflects.
    """
    x, y = (cv2.cvtColor(f, cv2.COLOR_RGB2GRAY).astype(np.float64) for f in (a, b))

    def blur(image: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(image, (11, 11), 1.5)

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx * mx, blur(y * y) - my * my, blur(x * y) - mx * my
    return float(np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))))
