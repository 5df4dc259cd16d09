"""Parameters of a trigger: unit, range, help."""

from __future__ import annotations

import dataclasses
import types
from typing import Any


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
