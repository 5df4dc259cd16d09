"""The victims: one per file, found by name. A file that defines a `Victim` is all it takes to add one."""

from __future__ import annotations

import sys

from trainer.errors import TrainerError, suggest
from trainer.models._base import Victim
from trainer.presets.preset import Preset
from trainer.registry import discover


def names() -> list[str]:
    """The models' names, in order."""
    return sorted(_models())


def find(name: str) -> type[Victim]:
    """The class of a model; raises `TrainerError` that names the nearest known one."""
    models = _models()
    if name not in models:
        raise TrainerError(f"there is no model {name!r}", suggest(name, models))
    return models[name]


def preset_of(model: str, name: str) -> Preset:
    """The preset of a model; raises `TrainerError` that lists those it has."""
    presets = find(model).presets
    if name not in presets:
        raise TrainerError(f"model {model!r} has no preset {name!r}", suggest(name, presets))
    return presets[name]


def _models() -> dict[str, type[Victim]]:
    return discover(sys.modules[__name__], Victim, "models")  # type: ignore[type-abstract]
