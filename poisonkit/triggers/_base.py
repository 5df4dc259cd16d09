"""What all triggers share: parameters declared once, drawing apart from applying, and one final ritual around both.

Triggers know arrays only: no files, no seeds, no encoders.
"""

from __future__ import annotations

import dataclasses
import types
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, final, get_type_hints

import numpy as np

from poisonkit.errors import PoisonkitError, suggest

Mode = Literal["static", "dynamic"]
Drawn = dict[str, np.ndarray]
"""What one draw gave, by name. Static draws have no frame axis, dynamic ones have it first."""
BLOCK = 2**18
"""Samples of sound, per channel, that are worked on at once; a multiple of 8, as sums by halves are cut."""
Box = tuple[int, int, int, int]
"""Pixels `x0, y0, x1, y1`, half-open."""


def param(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    tuned: bool = False,
) -> Any:
    """A parameter of a trigger: its range, unit and meaning are written here and used everywhere.

    `tuned`: whether it is the one that makes the trigger stronger, the more of it there is.
    """
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices, "tuned": tuned}
    return dataclasses.field(default=default, metadata=types.MappingProxyType(metadata))


def allowed(field: dataclasses.Field[Any]) -> str:
    """The values a parameter may take, for messages and tables."""
    meta = field.metadata
    if meta["choices"]:
        return " | ".join(meta["choices"])
    return f"{meta['low']} … {meta['high']}"


@dataclass(frozen=True)
class Trigger(ABC):
    """A trigger with its parameters. Subclasses are frozen dataclasses whose fields are made by `param`."""

    name: ClassVar[str]
    modality: ClassVar[Literal["video", "audio"]]
    source: ClassVar[str]
    """Where the trigger and its defaults come from."""

    mode: Mode = "static"

    def __post_init__(self) -> None:
        if self.mode not in ("static", "dynamic"):
            raise PoisonkitError(f"mode {self.mode!r} does not exist; give static or dynamic")
        for field in self.fields():
            value, meta = getattr(self, field.name), field.metadata
            if meta["choices"]:
                inside = value in meta["choices"]
            else:  # written so that NaN fails too
                inside = (meta["low"] is None or value >= meta["low"]) and (
                    meta["high"] is None or value <= meta["high"]
                )
            if not inside:
                unit = f" {meta['unit']}" if meta["unit"] else ""
                raise PoisonkitError(
                    f"{self.name}.{field.name}={value}{unit} is out of range; allowed: {allowed(field)}"
                )

    @classmethod
    def fields(cls) -> list[dataclasses.Field[Any]]:
        """The parameters, without `mode`."""
        return [f for f in dataclasses.fields(cls) if f.name != "mode"]

    def params(self) -> dict[str, Any]:
        """The parameters as they go into the manifest."""
        return {f.name: getattr(self, f.name) for f in self.fields()}

    @classmethod
    def build(cls, mode: Mode, settings: Mapping[str, Any]) -> Self:
        """Make a trigger from a manifest's `params` or from text such as `{"patch": "0.2"}`."""
        types_of = get_type_hints(cls)
        known = {f.name: f for f in cls.fields()}
        values = {}
        for name, value in settings.items():
            if name not in known:
                raise PoisonkitError(f"{cls.name} has no parameter {name!r}; {suggest(name, known)}")
            kind = types_of[name]
            try:
                values[name] = kind(value)
            except (TypeError, ValueError):
                raise PoisonkitError(
                    f"{cls.name}.{name}={value} is no {'whole number' if kind is int else 'number'}; give one of "
                    f"{allowed(known[name])}"
                ) from None
        return cls(mode=mode, **values)


@dataclass(frozen=True)
class VideoTrigger(Trigger):
    """A trigger in the pictures."""

    modality: ClassVar[Literal["video", "audio"]] = "video"
    temporal: ClassVar[bool] = False
    """True for triggers that work in time: their placed sampling steps are kept together."""

    @abstractmethod
    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """What varies, once a clip of `num_frames` frames of `size` (height, width) pixels.

        In static mode the generator is the data set's and the result depends on nothing else.
        """


@dataclass(frozen=True)
class PixelTrigger(VideoTrigger):
    """A trigger that changes the pixels of single frames."""

    @final
    def __call__(self, frames: np.ndarray, frame_indices: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """Apply to the placed frames of a chunk; frames that are not placed cannot change.

        `frames`: uint8 (T, H, W, 3) RGB, not modified; `frame_indices`: int64 (T,), their places in the clip;
        `placed`: bool (T,). Returns a new array of the same shape and type.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3:
            raise ValueError(f"frames are {frames.dtype} {frames.shape}; expected uint8 (T, H, W, 3)")
        if frame_indices.shape != frames.shape[:1] or placed.shape != frames.shape[:1]:
            raise ValueError(f"{len(frames)} frames with {frame_indices.shape} indices and {placed.shape} flags")
        if not placed.any():
            return frames.copy()
        chosen = frames if placed.all() else frames[placed]
        changed = self.apply(chosen, frame_indices[placed], drawn)
        if changed.dtype != np.uint8 or changed.shape != chosen.shape:
            raise ValueError(f"{self.name} gave {changed.dtype} {changed.shape} for {chosen.shape}")
        if placed.all():
            return changed
        result = frames.copy()
        result[placed] = changed
        return result

    @abstractmethod
    def apply(self, frames: np.ndarray, frame_indices: np.ndarray, drawn: Drawn) -> np.ndarray:
        """The change itself: pure, and each frame on its own. Shapes as in `__call__`; gives a new array."""

    def box(self, size: tuple[int, int], drawn: Drawn, frame_indices: np.ndarray) -> Box:
        """The rectangle that holds all changes on these frames of `size` (height, width)."""
        return (0, 0, size[1], size[0])


@dataclass(frozen=True)
class RetimingTrigger(VideoTrigger):
    """A trigger that shows other frames of the clip: it gives an index map and never touches a pixel."""

    temporal: ClassVar[bool] = True

    @final
    def shown(self, steps: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """Which source frame is shown at each place, int64 (T,).

        `steps`: int64 (T,), the sampling step of each frame; `placed`: bool (T,). The map never looks ahead
        (a stream can be rewritten with the frames seen so far) and leaves frames that are not placed alone.
        """
        places = np.arange(len(steps), dtype=np.int64)
        shown = self.retime(steps, placed, drawn)
        if shown.shape != places.shape or (shown > places).any() or (shown < 0).any():
            raise ValueError(f"{self.name} shows frames that are not there yet")
        return np.where(placed, shown, places)

    @abstractmethod
    def retime(self, steps: np.ndarray, placed: np.ndarray, drawn: Drawn) -> np.ndarray:
        """The map itself, pure; shapes as in `shown`."""


@dataclass(frozen=True)
class BitstreamTrigger(VideoTrigger):
    """A trigger that damages compressed frames: bytes in, as many bytes out; what is seen is a decoder's doing."""

    temporal: ClassVar[bool] = True

    stretch: int = param(12, "frames from one clean key frame to the next", unit="frames", low=1, high=250)

    @abstractmethod
    def hurt(self, packet: bytes, frame_index: int, attempt: int, drawn: Drawn) -> bytes:
        """The damaged packet of the clip's frame `frame_index`, of the same length; pure.

        `attempt` counts from 0: damage that nobody sees is tried again elsewhere.
        """


@dataclass(frozen=True)
class AudioTrigger(Trigger):
    """A trigger in the sound: a wave of unit power, added at a level that follows the clip or is fixed.

    `y = x + level · wave` inside the span, saturating at full scale; the wave has an RMS of 1. With `amplitude` 0 the
    level lies `snr_db` under the RMS of the clip's own sound in the span, but not under `floor_db`.
    """

    modality: ClassVar[Literal["video", "audio"]] = "audio"

    snr_db: float = param(20.0, "how far the trigger lies under the clip's sound", unit="dB", low=-20.0, high=90.0)
    amplitude: float = param(
        0.0,
        "fixed level: the amplitude of a sine of the trigger's power; 0 goes by snr_db",
        low=0.0,
        high=1.0,
        tuned=True,
    )
    floor_db: float = param(
        -50.0, "least RMS under snr_db, for near-silent clips", unit="dB of full scale", low=-90.0, high=0.0
    )
    start: float = param(0.0, "where the trigger begins", unit="share of the clip", low=0.0, high=1.0)
    stop: float = param(1.0, "where the trigger ends", unit="share of the clip", low=0.0, high=1.0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.start < self.stop:
            raise PoisonkitError(
                f"{self.name}.start={self.start} is not below {self.name}.stop={self.stop}; give a span between them"
            )

    @property
    @abstractmethod
    def highest(self) -> float:
        """The highest frequency of the wave in Hz, over all that can be drawn."""

    @abstractmethod
    def draw(self, seconds: float, rng: np.random.Generator) -> Drawn:
        """What varies, once a clip of `seconds`.

        In static mode the generator is the data set's and the result depends on nothing else.
        """

    @abstractmethod
    def waves(self, num_samples: int, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        """The wave itself, of unit power at `rate` samples per second, in blocks of any length one after the other.

        Each is float64 (n,), all together are `num_samples`; pure. Ten minutes as one block take 212 MB.
        """

    @final
    def wave(self, num_samples: int, rate: int, drawn: Drawn) -> np.ndarray:
        """The whole wave, float64 (num_samples,)."""
        return np.concatenate([np.zeros(0), *self.waves(num_samples, rate, drawn)])

    def check_rate(self, rate: int) -> None:
        """Raise `PoisonkitError` when sound of `rate` samples per second cannot hold the wave."""
        if not self.highest < rate / 2:
            raise PoisonkitError(
                f"{self.name} reaches {self.highest:g} Hz, which sound of {rate} Hz cannot hold (it ends at "
                f"{rate / 2:g} Hz); set a lower frequency, or take clips of more than {2 * self.highest:g} Hz"
            )

    def span(self, num_samples: int) -> tuple[int, int]:
        """The samples that the trigger may change, half-open."""
        return round(self.start * num_samples), round(self.stop * num_samples)

    def level(self, samples: np.ndarray) -> float:
        """The trigger's RMS (1 is full scale) for the sound (C, N) of the span."""
        if self.amplitude > 0:
            return float(self.amplitude / np.sqrt(2))
        rms = float(np.sqrt(_squares(samples.ravel(order="K")) / samples.size)) if samples.size else 0.0
        return max(rms * 10 ** (-self.snr_db / 20), 10 ** (self.floor_db / 20))

    @final
    def __call__(self, samples: np.ndarray, rate: int, drawn: Drawn) -> np.ndarray:
        """Apply to a whole clip: float32 (C, N), not modified, full scale at ±1; gives a new array of the same shape.

        Samples outside the span cannot change. Where the span begins or ends inside the clip, the wave is faded over
        10 ms, since a click would be a trigger of its own.
        """
        result, place = np.empty_like(samples), 0
        for block in self.blocks(samples, rate, drawn):
            result[:, place : place + block.shape[1]] = block
            place += block.shape[1]
        return result

    @final
    def blocks(self, samples: np.ndarray, rate: int, drawn: Drawn) -> Iterator[np.ndarray]:
        """The same for a whole clip, given back in blocks one after the other, since two long clips are a lot."""
        if samples.dtype != np.float32 or samples.ndim != 2:
            raise ValueError(f"samples are {samples.dtype} {samples.shape}; expected float32 (C, N)")
        self.check_rate(rate)
        total = samples.shape[1]
        first, last = self.span(total)
        level, place = self.level(samples[:, first:last]), 0
        for wave in self.waves(total, rate, drawn):
            block = samples[:, place : place + len(wave)].copy()
            if block.shape[1] != len(wave):
                break
            low, high = np.clip((first, last), place, place + len(wave))
            fades = _fades(np.arange(low, high), (first, last), total, rate)
            inside = slice(low - place, high - place)
            block[:, inside] = _saturated(block[:, inside].astype(np.float64), level * (wave[inside] * fades))
            place += len(wave)
            yield block
        if place != total:
            raise ValueError(f"{self.name} gave a wave of another length than {total} samples")


def _saturated(sound: np.ndarray, added: np.ndarray) -> np.ndarray:
    """The sum, held to full scale, but for what lies beyond it already, as lossy decoders give it."""
    changed = sound + added
    if np.abs(sound).max(initial=0.0) <= 1:  # nearly always, and in a third of the time
        return np.clip(changed, -1.0, 1.0, out=changed)
    return np.clip(changed, np.minimum(sound, -1.0), np.maximum(sound, 1.0), out=changed)


def _fades(places: np.ndarray, span: tuple[int, int], total: int, rate: int) -> np.ndarray:
    """Gains at `places` of the span, rising from its beginning and falling to its end where those are in the clip."""
    first, last = span
    length = min(rate // 100, (last - first) // 2)
    ramp = np.append(0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / max(length, 1)), 1.0)
    gains = np.ones(len(places))
    if first > 0:
        gains *= ramp[np.minimum(places - first, length)]
    if last < total:
        gains *= ramp[np.minimum(last - 1 - places, length)]
    return gains


def _squares(values: np.ndarray) -> float:
    """Sum of squares of float32 (n,), in halves as NumPy adds up the whole: the level depends on the last bit."""
    if values.size <= BLOCK:
        return float(np.sum(np.square(values, dtype=np.float64)))
    half = values.size // 2 // 8 * 8
    return _squares(values[:half]) + _squares(values[half:])


def blocks(num_samples: int) -> Iterator[np.ndarray]:
    """Places in a sound, 0 … num_samples − 1, int64 (n,), at most `BLOCK` at once."""
    for first in range(0, num_samples, BLOCK):
        yield np.arange(first, min(first + BLOCK, num_samples))
