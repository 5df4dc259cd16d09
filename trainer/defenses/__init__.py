"""Defenses against backdoors, one file each, fed with what a defender has: a model, clips, a few clean ones.

They are found by name. A file that defines a `Defense` is all it takes to add one.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trainer.defenses._base import Defense
from trainer.errors import TrainerError, suggest
from trainer.registry import discover
from trainer.text import argument


def names() -> list[str]:
    """The defenses' names, in order."""
    return sorted(_defenses())


def find(name: str) -> type[Defense]:
    """The class of a defense; raises `TrainerError` that names the nearest known one."""
    known = _defenses()
    if name not in known:
        raise TrainerError(f"there is no defense {name!r}", suggest(name, known))
    return known[name]


def build(name: str, settings: Sequence[str]) -> Defense:
    """A defense with the parameters that texts such as `strip.blends=8` set."""
    kind = find(name)
    parameters = {}
    for text in settings:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot and owner == name):
            raise TrainerError(f"{argument('set', text)} is not {name}.PARAM=VALUE", f"see `trainer defenses {name}`")
        parameters[parameter] = value
    return kind.build(parameters)


def _defenses() -> dict[str, type[Defense]]:
    return discover(sys.modules[__name__], Defense, "defenses")  # type: ignore[type-abstract]
