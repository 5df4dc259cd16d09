"""Defenses against backdoors, one file each, fed with what a defender has: a model, clips, a few clean ones.

They are found by name. A file that defines a `Defense` is all it takes to add one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence

from trainer.defenses._base import Defense
from trainer.errors import TrainerError, suggest


def names() -> list[str]:
    """The defenses' names, in order."""
    return sorted(_defenses())


def find(name: str) -> type[Defense]:
    """The class of a defense; raises `TrainerError` that names the nearest known one."""
    known = _defenses()
    if name not in known:
        raise TrainerError(f"there is no defense {name!r}; {suggest(name, known)}")
    return known[name]


def build(name: str, settings: Sequence[str]) -> Defense:
    """A defense with the parameters that texts such as `strip.blends=8` set."""
    kind = find(name)
    parameters = {}
    for text in settings:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot and owner == name):
            raise TrainerError(f"--set {text!r} is not {name}.PARAM=VALUE; see `trainer defenses {name}`")
        parameters[parameter] = value
    return kind.build(parameters)


def _defenses() -> dict[str, type[Defense]]:
    found: dict[str, type[Defense]] = {}
    for file in pkgutil.iter_modules(__path__):
        if file.name.startswith("_"):
            continue
        module = importlib.import_module(f"{__name__}.{file.name}")
        kinds = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Defense)]
        for kind in kinds:
            own = kind.__module__ == module.__name__ and not inspect.isabstract(kind)
            if own and found.setdefault(kind.name, kind) is not kind:
                raise TrainerError(f"two defenses are named {kind.name!r}; rename one")
    return found
