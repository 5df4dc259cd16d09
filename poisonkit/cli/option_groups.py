"""Options that commands take together, as one parameter of a command, and what the library makes of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from poisonkit.cli import options
from poisonkit.cli.options import CarryName, LabelModeName, ModeName, NoAudioName
from poisonkit.errors import PoisonkitError
from poisonkit.text import argument

if TYPE_CHECKING:
    from poisonkit.layouts import Listing, Options


@dataclass(frozen=True)
class Folder:
    """A data set to read."""

    panel: ClassVar[str] = "Data set"

    source: options.Source
    layout: options.Layout = "auto"
    annotations: options.Annotations = None
    split: options.Split = "1"

    def listing(self, seed: int) -> Listing:
        """Its clips with labels and splits; `seed` splits a folder that has no official split."""
        from poisonkit.layouts import read

        return read(self.source, self.layout, self.reading(seed))

    def reading(self, seed: int) -> Options:
        """How the folder is read."""
        from poisonkit.layouts import Options

        return Options(annotations=self.annotations, split=self.split, seed=seed)


@dataclass(frozen=True)
class DataSet(Folder):
    """A data set to read, or some of its classes and test clips."""

    classes: options.Classes = None
    test_limit: options.TestLimit = None

    def listing(self, seed: int) -> Listing:
        """Clips of the classes that a built-in list or a file names, and some of the test clips."""
        from poisonkit.plan.selection import limit_test

        return limit_test(super().listing(seed), self.test_limit, seed)

    def reading(self, seed: int) -> Options:
        """How the folder is read."""
        from poisonkit.layouts import class_names

        classes = None if self.classes is None else class_names(self.classes)
        return replace(super().reading(seed), classes=classes)


@dataclass(frozen=True)
class Attack:
    """What is put into which clips."""

    panel: ClassVar[None] = None

    attack: options.Attack
    mode: options.Mode = ModeName.static
    set_: options.Parameters = None
    rate: options.Rate = 0.1
    rate_of: options.RateOf = None
    target: options.Target = "0"
    label_mode: options.LabelMode = LabelModeName.dirty
    frames: options.Frames = "all"
    no_audio: options.NoAudio = NoAudioName.error
    seed: options.Seed = 0

    @property
    def ending(self) -> str:
        """What the copy's name says of the mode."""
        return "-dynamic" if self.mode is ModeName.dynamic else ""


@dataclass(frozen=True)
class Victim:
    """The victim whose sampling and input the copy is made for."""

    panel: ClassVar[str] = "Victim"

    window: options.Window = "32x2"
    view: options.View = "256/224"
    clip: options.Clip = None
    short_side: options.ShortSide = None


@dataclass(frozen=True)
class Copy:
    """What is written, and where."""

    panel: ClassVar[str] = "Copy"

    out: options.Out = None
    manifest: options.ManifestOfCopy = None
    quality: options.Quality = "auto"
    survival: options.Survival = True
    carry: options.Carry = CarryName.link
    sham: options.Sham = None
    train_triggered: options.TrainTriggered = "none"
    skip_broken: options.SkipBroken = False
    hash_all: options.HashAll = False
    force: options.Force = False


@dataclass(frozen=True)
class Machine:
    """Who does the work."""

    panel: ClassVar[str] = "Run"

    workers: options.Workers = None
    scheduler: options.Scheduler = None

    def count(self) -> int:
        """The number of processes; a scheduler has workers of its own."""
        if self.workers is not None and self.scheduler is not None:
            raise PoisonkitError(
                f"{argument('workers', self.workers)} are of this machine, those of "
                f"{argument('scheduler', self.scheduler)} are started there",
                "leave one out",
            )
        return count_workers(self.workers)


def count_workers(asked: int | None) -> int:
    """The number of processes: as asked, else one for each core."""
    from poisonkit.workers.local import available_cores

    if asked is not None and asked < 1:
        raise PoisonkitError(f"{argument('workers', asked)} cannot work", "give 1 or more")
    return available_cores() if asked is None else asked


def recognised(listing: Listing) -> str:
    """What a folder was taken for."""
    return f"reading {listing.root}: {listing.layout} ({listing.detected}), {len(listing.clips)} clips"


def parse_attacks(names: list[str], texts: list[str] | None) -> tuple[tuple[str, ...], dict[str, dict[str, str]]]:
    """The names of the attacks (empty for `none`), and their parameters as text by attack.

    `texts` are those of `--set`, such as `sig.delta=10`. Raises `PoisonkitError` for one of another form or of an
    attack that is not named, and for `none` beside other attacks.
    """
    if "none" in names and len(names) > 1:
        others = ", ".join(name for name in names if name != "none")
        raise PoisonkitError(
            f"{argument('attack', 'none')} goes with no other attack", f"leave out none, or {others or 'say it once'}"
        )
    parameters: dict[str, dict[str, str]] = {}
    for text in texts or []:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot):
            known = " or ".join(f"{name}.PARAM=VALUE" for name in names)
            raise PoisonkitError(f"{argument('set', text)} is not {known}", f"see `poisonkit attacks {names[0]}`")
        if owner not in names:
            raise PoisonkitError(
                f"{argument('set', text)}: {owner} is none of this run's attacks ({', '.join(names)})",
                f"leave it out, or add {argument('attack', owner)}",
            )
        parameters.setdefault(owner, {})[parameter] = value
    return tuple(name for name in names if name != "none"), parameters
