"""From options to what several commands work on."""

from __future__ import annotations

from pathlib import Path

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Listing, Options, class_names, read
from poisonkit.plan import limit_test
from poisonkit.pool import available_cores


def listing(
    source: Path,
    layout: str,
    annotations: Path | None,
    split: str,
    seed: int,
    classes: str | None,
    test_limit: int | None,
) -> Listing:
    """The clips of a data set: of the classes that a built-in list or a file names, and some of the test clips."""
    names = None if classes is None else class_names(classes)
    options = Options(annotations=annotations, split=split, seed=seed, classes=names)
    return limit_test(read(source, layout, options), test_limit, seed)


def workers(asked: int | None) -> int:
    """The number of processes: as asked, else one for each core."""
    return available_cores() if asked is None else asked


def attack(names: list[str], texts: list[str]) -> tuple[str | None, dict[str, str]]:
    """The attack's name (None for `none`) and its parameters as text."""
    if len(names) != 1:
        raise PoisonkitError(
            f"--attack was given {len(names)} times; give one attack a modality, and there is only video yet"
        )
    name = names[0]
    parameters = {}
    for text in texts:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot and owner == name):
            raise PoisonkitError(f"--set {text!r} is not {name}.PARAM=VALUE; see `poisonkit attacks {name}`")
        parameters[parameter] = value
    return (None if name == "none" else name), parameters
