"""The victims: one per file, found by name. A file that defines a `Victim` is all it takes to add one."""

from __future__ import annotations

import importlib
import pkgutil

from trainer.errors import TrainerError, suggest
from trainer.models._base import Victim
from trainer.presets import Preset


def names() -> list[str]:
    """The models' names, in order."""
    return sorted(_models())


def find(name: str) -> type[Victim]:
    """The class of a model; raises `TrainerError` that names the nearest known one."""
    models = _models()
    if name not in models:
        raise TrainerError(f"there is no model {name!r}; {suggest(name, models)}")
    return models[name]


def preset_of(model: str, name: str) -> Preset:
    """The preset of a model; raises `TrainerError` that lists those it has."""
    presets = find(model).presets
    if name not in presets:
        raise TrainerError(f"model {model!r} has no preset {name!r}; {suggest(name, presets)}")
    return presets[name]


def _models() -> dict[str, type[Victim]]:
    found: dict[str, type[Victim]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{__name__}.{module.name}")).values()
        victims = [v for v in members if isinstance(v, type) and issubclass(v, Victim) and "name" in vars(v)]
        for victim in victims:
            if found.setdefault(victim.name, victim) is not victim:
                raise TrainerError(f"two models are named {victim.name!r}; rename one")
    return found
