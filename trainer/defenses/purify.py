"""Purification: inputs are re-encoded, re-sampled, blurred or low-passed before the victim sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import cv2
import numpy as np
from scipy.signal import butter, sosfiltfilt

from trainer.data.audio_datasets import RATE, Wave
from trainer.data.crops import Frames
from trainer.defenses import _recoding
from trainer.defenses._base import param
from trainer.defenses._case import Clip, Defender
from trainer.defenses._repair import Repair, Repaired, Step
from trainer.errors import TrainerError
from trainer.evaluation import inference
from trainer.evaluation.inference import Array


@dataclass(frozen=True)
class Method:
    """A way to change a clip: `change(clip, strength)`, the ladder of strengths, and what leaves it as it is.

    `low` and `high`: the strengths there are; `gentle`: the undefended end of the axis.
    """

    change: Callable[[Any, float], Any]
    what: str
    gentle: float
    ladder: tuple[float, ...]
    low: float
    high: float
    whole: bool = False


@dataclass(frozen=True)
class Purify(Repair):
    """Classifies clips after a change that should hurt a trigger more than the action.

    Of video, all decoded frames of a clip at the victim's scale, before crops and sampling: `reencode` as H.264 at a
    constant rate factor; `resample`, where every k-th frame stands still for k frames, so that k − 1 are lost; `blur`
    with a Gaussian of some σ in pixels. Of audio, the wave at 16 kHz: `reencode` as MP3 at some kbit/s; `lowpass` at
    some kHz (Butterworth of order 8, forth and back). `strengths` replaces the method's ladder; each is tried on the
    same clips in the run's own views, beside the undefended victim.

    The defender takes the strongest at which accuracy on the clean set has fallen by at most `max_drop` points.

    Source: for re-encoding as a defense, JPEG in Das et al. 2018 and Qiu et al. 2021 ("DeepSweep"), on still images;
    for media files the methods and ladders are ours.
    """

    name: ClassVar[str] = "purify"
    source: ClassVar[str] = "after DeepSweep (Qiu et al. 2021) on images; methods for media and ladders are ours"

    method: str = param("reencode", "what is done to inputs", choices=("reencode", "resample", "blur", "lowpass"))
    strengths: str = param("", "such as 20,30,40 instead of the method's own ladder")
    max_clips: int = param(
        100, "inputs of each kind, clean and triggered, that are tried", unit="clips", low=1, high=10**6
    )

    @property
    def limit(self) -> int | None:
        return self.max_clips

    def repair(self, defender: Defender) -> Repaired:
        method = self._method(defender.run.model.modality)
        steps = []
        for strength in (None, *self._ladder(method)):
            change = None if strength is None else partial(_at, method.change, strength)
            scores = self._scores(defender, [*defender.clean, *defender.judged], change, strength)
            known = len(defender.clean)
            place = method.gentle if strength is None else strength
            steps.append(Step(place, scores[known:], scores[:known]))
        chosen = self.choose(steps, defender)
        taken = "none of them" if chosen == 0 else f"{steps[chosen].strength:g}"
        rule = (
            f"inputs are changed by {self.method} ({method.what}) before they are classified; taken: {taken}, the "
            f"strongest at which accuracy on the clean set falls by at most {self.max_drop:g} points"
        )
        return Repaired(rule, method.what, steps, chosen)

    def _method(self, modality: str) -> Method:
        methods = METHODS[modality]
        if self.method not in methods:
            raise TrainerError(
                f"{self.name}.method={self.method} is not for {modality}", f"allowed there: {', '.join(methods)}"
            )
        return methods[self.method]

    def _ladder(self, method: Method) -> list[float]:
        """From gentle to strong."""
        if not self.strengths:
            return list(method.ladder)
        try:
            found = [float(text) for text in self.strengths.split(",")]
        except ValueError:
            found = []
        fit = all(method.low <= s <= method.high and (s == int(s) or not method.whole) for s in found)
        if not found or not fit:
            raise TrainerError(
                f"{self.name}.strengths={self.strengths} are not {'whole ' * method.whole}numbers of {method.what} in "
                f"{method.low:g} … {method.high:g}",
                f"give some, such as {','.join(f'{s:g}' for s in method.ladder)}",
            )
        return sorted(set(found), key=lambda s: abs(s - method.gentle))

    def _scores(self, defender: Defender, clips: list[Clip], change: Any, strength: float | None) -> Array:
        run, files = defender.run, [clip.files[0] for clip in clips]
        title = "undefended" if strength is None else f"{self.method} {strength:g}"
        with defender.progress.stage(title, len(files)) as step:
            seen = inference.observe(run.model, run.manifest, files, run.preset, run.views, step, change)
        return seen.probabilities


def _at(change: Callable[[Any, float], Any], strength: float, clip: Any) -> Any:
    return change(clip, strength)


def reencoded(frames: Frames, strength: float) -> Frames:
    """As H.264 at a constant rate factor gives them back."""
    return _recoding.video(frames, int(strength))


def held(frames: Frames, strength: float) -> Frames:
    """Every k-th frame, shown k times."""
    places = np.arange(len(frames))
    made: Frames = frames[places - places % int(strength)]
    return made


def blurred(frames: Frames, strength: float) -> Frames:
    """Each frame blurred with a Gaussian of σ pixels."""
    return np.stack([cv2.GaussianBlur(frame, (0, 0), strength).astype(np.uint8, copy=False) for frame in frames])


def compressed(wave: Wave, strength: float) -> Wave:
    """As MP3 at some kbit/s gives it back."""
    return _recoding.audio(wave, int(strength))


def lowpassed(wave: Wave, strength: float) -> Wave:
    """Without what lies above some kHz."""
    filtered = sosfiltfilt(butter(8, strength * 1000, fs=RATE, output="sos"), wave, padlen=min(60, len(wave) - 1))
    return np.asarray(filtered, np.float32)


METHODS = {
    "video": {
        "reencode": Method(reencoded, "H.264 constant rate factor", 0, (20, 26, 32, 38, 44, 51), 0, 51, whole=True),
        "resample": Method(held, "frames that each kept frame is held for", 1, (2, 3, 4, 6, 8), 1, 1000, whole=True),
        "blur": Method(blurred, "σ in pixels of the victim's scale", 0, (0.5, 1, 1.5, 2, 3, 4), 0.1, 100),
    },
    "audio": {
        # 16 kHz × 16 bits, and half the rate: what the victim's input can hold
        "reencode": Method(compressed, "MP3 kbit/s", 256, (64, 48, 32, 24, 16, 8), 8, 160, whole=True),
        "lowpass": Method(lowpassed, "kHz", 8, (7, 6, 5, 4, 3, 2, 1), 0.05, 7.9),
    },
}
