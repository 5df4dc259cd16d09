"""From options to what several commands work on."""

from __future__ import annotations

from pathlib import Path

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Listing, Options, class_names, read
from poisonkit.plan.selection import limit_test
from poisonkit.workers.local import available_cores


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


def recognised(listing: Listing) -> str:
    """What a folder was taken for."""
    return f"reading {listing.root}: {listing.layout} ({listing.detected}), {len(listing.clips)} clips"


def workers(asked: int | None, scheduler: str | None = None) -> int:
    """The number of processes: as asked, else one for each core; a scheduler has workers of its own."""
    if asked is not None and scheduler is not None:
        raise PoisonkitError(
            f"--workers {asked} are of this machine, those of --scheduler {scheduler} are started there; leave one out"
        )
    if asked is not None and asked < 1:
        raise PoisonkitError(f"--workers {asked} cannot work; give 1 or more")
    return available_cores() if asked is None else asked


def attacks(names: list[str], texts: list[str]) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """The names of the attacks (empty for `none`), and their parameters as text by attack."""
    if "none" in names and len(names) > 1:
        others = ", ".join(name for name in names if name != "none")
        raise PoisonkitError(f"--attack none goes with no other attack; leave out none, or {others or 'say it once'}")
    parameters: dict[str, dict[str, str]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot):
            known = " or ".join(f"{name}.PARAM=VALUE" for name in names)
            raise PoisonkitError(f"--set {text!r} is not {known}; see `poisonkit attacks {names[0]}`")
        if owner not in names:
            raise PoisonkitError(
                f"--set {text!r}: {owner} is none of this run's attacks ({', '.join(names)}); leave it out, or add "
                f"--attack {owner}"
            )
        parameters.setdefault(owner, {})[parameter] = value
    return tuple(name for name in names if name != "none"), parameters
