"""What all triggers share: parameters declared once, drawing apart from applying, and one final ritual around both.

Triggers know arrays only: no files, no seeds, no encoders.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, final, get_type_hints

import numpy as np

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.triggers._params import allowed, param

Mode = Literal["static", "dynamic"]
Drawn = dict[str, np.ndarray]
"""What one draw gave, by name. Static draws have no frame axis, dynamic ones have it first."""
Box = tuple[int, int, int, int]
"""Pixels `x0, y0, x1, y1`, half-open."""


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
            raise PoisonkitError(f"mode {self.mode!r} does not exist", "give static or dynamic")
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
                    f"{self.name}.{field.name}={value}{unit} is out of range", f"allowed: {allowed(field)}"
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
                raise PoisonkitError(f"{cls.name} has no parameter {name!r}", suggest(name, known))
            kind = types_of[name]
            try:
                values[name] = kind(value)
            except (TypeError, ValueError):
                raise PoisonkitError(
                    f"{cls.name}.{name}={value} is no {'whole number' if kind is int else 'number'}",
                    f"give one of {allowed(known[name])}",
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
    def corrupt_packet(self, packet: bytes, frame_index: int, attempt: int, drawn: Drawn) -> bytes:
        """The damaged packet of the clip's frame `frame_index`, of the same length; pure.

        `attempt` counts from 0: damage that nobody sees is tried again elsewhere.
        """
