"""What all triggers share: parameters declared once, drawing apart from applying, and one final ritual around both.

Triggers know arrays only: no files, no seeds, no encoders.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, get_type_hints

import numpy as np

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.triggers._footage import Drawn, Footage, Versions
from poisonkit.triggers._params import allowed

Mode = Literal["static", "dynamic"]
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
    """A trigger in the video. Its kind says how it is applied to a clip."""

    modality: ClassVar[Literal["video", "audio"]] = "video"
    temporal: ClassVar[bool] = False
    """True for triggers that work in time: their placed sampling steps are kept together."""

    @abstractmethod
    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """What varies, once a clip of `num_frames` frames of `size` (height, width) pixels.

        In static mode the generator is the data set's and the result depends on nothing else.
        """

    @abstractmethod
    def on_clip(self, frames: Iterator[Any], clip: Footage) -> Iterator[Versions]:
        """Every frame of a clip with its control and with the trigger; at most `clip.num_frames` are taken.

        Where `clip.active` is false, the frames go the same way without the trigger.
        """

    def intended_frame(self, index: int, made: Versions, clip: Footage) -> np.ndarray:
        """Frame `index`, uint8 (H, W, 3) RGB, as the trigger defines it; what was made may only come close to it."""
        return clip.rgb(made.triggered)

    def box(self, size: tuple[int, int], drawn: Drawn, frame_indices: np.ndarray) -> Box:
        """The rectangle that holds all changes on these frames of `size` (height, width)."""
        return (0, 0, size[1], size[0])
