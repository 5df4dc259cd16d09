"""Classes that are found by their files: one new file in a package adds one, without a list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import Any, TypeVar

from trainer.errors import TrainerError

Kind = TypeVar("Kind")


def discover(package: ModuleType, base: type[Kind], plural: str) -> dict[str, type[Kind]]:
    """The subclasses of `base` with a `name` of their own, by it, in the package's files without an underscore.

    Raises `TrainerError` for two of one name; `plural`: what they are called then.
    """
    found: dict[str, type[Kind]] = {}
    for file in pkgutil.iter_modules(package.__path__):
        if file.name.startswith("_"):
            continue
        members = vars(importlib.import_module(f"{package.__name__}.{file.name}")).values()
        kinds: list[Any] = [v for v in members if isinstance(v, type) and issubclass(v, base) and "name" in vars(v)]
        for kind in kinds:
            if found.setdefault(kind.name, kind) is not kind:
                raise TrainerError(f"two {plural} are named {kind.name!r}", "rename one")
    return found
