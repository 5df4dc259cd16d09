"""Commands that take groups of options, as Typer reads them: option by option."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_type_hints

from typer.models import OptionInfo


def expanded(command: Callable[..., None]) -> Callable[..., None]:
    """A command for Typer, in which each parameter that is a group is replaced by the options of the group.

    The options of a group share a panel of the help page, if the group has one.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _options(groups[name])
        else:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name]))

    @wraps(command)
    def call(**values: Any) -> None:
        made = {name: kind(**{f.name: values.pop(f.name) for f in fields(kind)}) for name, kind in groups.items()}
        command(**made, **values)

    call.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    call.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return call


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    made = []
    for field in fields(group):
        default = inspect.Parameter.empty if field.default is MISSING else field.default
        annotation = _in_panel(hints[field.name], group.panel)
        made.append(
            inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        )
    return made


def _in_panel(annotation: Any, panel: str | None) -> Any:
    """An option with its panel; arguments have one of their own."""
    kind, info = annotation.__origin__, annotation.__metadata__[0]
    if panel is None or not isinstance(info, OptionInfo):
        return annotation
    info = copy(info)
    info.rich_help_panel = panel
    return Annotated[kind, info]
