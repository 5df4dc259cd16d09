"""Triggers, one a file; a new file in this package is a new trigger."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

from poisonkit.errors import PoisonkitError, suggest
from poisonkit.triggers._audio import AudioTrigger
from poisonkit.triggers._base import Trigger, VideoTrigger
from poisonkit.triggers._bitstream import BitstreamTrigger
from poisonkit.triggers._footage import Colours, Footage, PlaneAccess, Planes, Versions
from poisonkit.triggers._pixels import PixelTrigger
from poisonkit.triggers._planes import PlanarTrigger
from poisonkit.triggers._retiming import RetimingTrigger

__all__ = [
    "TRIGGERS",
    "AudioTrigger",
    "BitstreamTrigger",
    "Colours",
    "Footage",
    "PixelTrigger",
    "PlanarTrigger",
    "PlaneAccess",
    "Planes",
    "RetimingTrigger",
    "Trigger",
    "Versions",
    "VideoTrigger",
    "find",
    "find_audio",
    "find_video",
]


def _discover() -> dict[str, type[Trigger]]:
    found: dict[str, type[Trigger]] = {}
    for module_info in pkgutil.iter_modules(__path__):
        if module_info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for _, cls in inspect.getmembers(module, inspect.isclass):
            if not issubclass(cls, Trigger) or inspect.isabstract(cls) or cls.__module__ != module.__name__:
                continue
            if cls.name in found:
                raise ImportError(f"two triggers are called {cls.name!r}")
            found[cls.name] = cls
    return dict(sorted(found.items()))


TRIGGERS = _discover()


def find(name: str) -> type[Trigger]:
    """The trigger of that name; raises `PoisonkitError` that suggests the nearest."""
    if name == "none":
        raise PoisonkitError(
            "none is no trigger: it relabels and re-encodes without one, as a control", "name a trigger"
        )
    if name not in TRIGGERS:
        raise PoisonkitError(f"there is no attack {name!r}", suggest(name, [*TRIGGERS, "none"]))
    return TRIGGERS[name]


def find_video(name: str) -> type[VideoTrigger]:
    """The video trigger of that name."""
    kind = find(name)
    if not issubclass(kind, VideoTrigger):
        raise PoisonkitError(f"{name} changes audio, not video", "name a video trigger")
    return kind


def find_audio(name: str) -> type[AudioTrigger]:
    """The audio trigger of that name."""
    kind = find(name)
    if not issubclass(kind, AudioTrigger):
        raise PoisonkitError(f"{name} changes video, not audio", "name an audio trigger")
    return kind
