"""The options of the commands, with their help texts: each is said once, however many commands take it."""

from __future__ import annotations

import importlib.util
import pkgutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import poisonkit


class Commands(TyperGroup):
    """The commands; a wrong value is reported in plain words."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            error.message = error.message.removeprefix("Value error, ")  # pydantic's, which some typers use
            raise


def _print_version(asked: bool) -> None:
    if asked:
        print(f"poisonkit {poisonkit.__version__}")
        raise typer.Exit


def parse_seed(text: str) -> int:
    """A seed from 0 to 2^63 - 1."""
    # int would also take blanks, underscores and digits of other alphabets
    if str(text).isascii() and str(text).isdigit() and int(text) < 2**63:
        return int(text)
    raise typer.BadParameter(f"{text!r} is not a whole number from 0 to {2**63 - 1}")


def _names_in(package: str) -> str:
    """The files of a package without an underscore, by name; the package itself, which may be heavy, is not loaded."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return ", ".join(sorted(file.name for file in pkgutil.iter_modules(places) if not file.name.startswith("_")))


Version = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
]


class ModeName(StrEnum):
    static = "static"
    dynamic = "dynamic"


class RateOfName(StrEnum):
    all = "all"
    target = "target"


class LabelModeName(StrEnum):
    dirty = "dirty"
    clean = "clean"


class NoAudioName(StrEnum):
    error = "error"
    skip = "skip"


class CarryName(StrEnum):
    link = "link"
    copy = "copy"
    reencode = "reencode"


# what is read
Source = Annotated[
    Path, typer.Argument(metavar="SRC", help="Folder of the data set; it is only read.", show_default=False)
]
ManifestFile = Annotated[Path, typer.Argument(metavar="MANIFEST", help="Manifest file.", show_default=False)]
Layout = Annotated[
    str,
    typer.Option(
        metavar="NAME", help=f"How the folder is laid out: {_names_in('poisonkit.layouts')}, or auto to recognise it."
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the split lists, if not in the data set.", show_default=False),
]
Split = Annotated[
    str,
    typer.Option(metavar="NAME", help="Which official split, or which fold to test on, where a data set has several."),
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="LIST",
        help="Use only these classes, labelled in this order: the built-in list kinetics-sounds, or a file with one "
        "class name per line.",
        show_default=False,
    ),
]
SkipBroken = Annotated[
    bool, typer.Option(help="Skip clips that do not decode, count and list them.", show_default=False)
]
TestLimit = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Use at most N test clips, with the classes in proportion.", show_default="all of them"
    ),
]

# the attack
Attack = Annotated[
    list[str],
    typer.Option(
        metavar="NAME",
        help="Trigger (see `poisonkit attacks`). Give it twice for one trigger on video and one on audio. none "
        "relabels and re-encodes without a trigger, as a control; give it the --quality that the attack's copy used.",
        show_default=False,
    ),
]
Trigger = Annotated[
    str, typer.Option("--attack", metavar="NAME", help="Trigger (see `poisonkit attacks`).", show_default=False)
]
Mode = Annotated[ModeName, typer.Option(help="Use the same trigger on all frames, or draw it again for every frame.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the trigger.", show_default=False),
]
Rate = Annotated[
    float, typer.Option(metavar="RATE", help="Fraction of the training clips to poison, above 0 and at most 1.")
]
RateOf = Annotated[
    RateOfName | None,
    typer.Option(
        help="Take the rate of all training clips, or of the target class's alone.",
        show_default="all; target for clean label",
    ),
]
Target = Annotated[str, typer.Option(metavar="CLASS", help="Target class of the attack: its label or its name.")]
LabelMode = Annotated[
    LabelModeName,
    typer.Option(help="dirty: poison clips of other classes and relabel them; clean: poison the target's own clips."),
]
Seed = Annotated[
    int,
    typer.Option(
        metavar="N", parser=parse_seed, help="Decides which clips are poisoned, and everything that is drawn."
    ),
]
Frames = Annotated[
    str,
    typer.Option(metavar="RULE", help="Frames that carry the trigger: all, a number in every window, or random."),
]
NoAudio = Annotated[
    NoAudioName,
    typer.Option(
        help="With an audio attack, what to do about clips without audio, silent clips, and clips whose sample rate "
        "cannot hold the trigger: stop with an error, or skip, count and list them."
    ),
]

# the victim
Window = Annotated[
    str, typer.Option(metavar="WINDOW", help="The victim's sampling: LENGTHxSTRIDE or uniform:SEGMENTS.")
]
Clip = Annotated[
    str | None,
    typer.Option(
        metavar="WINDOW@SHORT",
        help="Write of each new clip only the frames of one window, as a victim samples them, scaled to that short "
        "side and without audio, such as 32x2@256: the attacker who knows the victim's pipeline.",
        show_default=False,
    ),
]
ShortSide = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS", help="Scale new clips to this short side before the trigger is applied.", show_default=False
    ),
]
View = Annotated[
    str,
    typer.Option(
        metavar="SHORT/CROP",
        help="The victim's input, to measure what its resize and centre crop leave of the trigger.",
    ),
]

# what is written
Quality = Annotated[
    str,
    typer.Option(
        metavar="RUNG",
        help="Rung of the quality ladder: match, high, near, lossless, or auto for the cheapest that the trigger "
        "survives.",
    ),
]
Carry = Annotated[
    CarryName,
    typer.Option(
        help="How clean files get into the copy: link (reflink, else hard link, else copy), copy, or reencode."
    ),
]
Sham = Annotated[
    str | None,
    typer.Option(
        metavar="N", help="Test clips re-encoded without the trigger: a number, all or none.", show_default="500"
    ),
]
TrainTriggered = Annotated[
    str,
    typer.Option(
        metavar="N",
        help="Unpoisoned training clips of other classes, written with the trigger for `trainer probe`: a number, all "
        "or none.",
    ),
]
HashAll = Annotated[bool, typer.Option(help="Record the SHA-256 of carried files too.", show_default=False)]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR", help="Folder of the poisoned copy.", show_default="./<SRC>-<attacks>, then -dynamic if it is"
    ),
]
ManifestOfCopy = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the manifest goes.", show_default="manifests/<name of --out>.json"),
]
ManifestOfSource = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Where the manifest goes.", show_default="manifests/<SRC>.json"),
]
Survival = Annotated[
    bool,
    typer.Option(
        help="Read every written file back and measure what is left of the trigger. Without it a run is faster, and "
        "survival is known for the trial's clips only."
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Write even if the trigger does not survive the rung.")]

# how
Workers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes; the result does not depend on it.", show_default="CPU cores"),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Work on a Dask cluster instead of this machine: its scheduler's address, such as tcp://HOST:8786, or a "
        "scheduler file that ends in .json.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, with the estimated size; write nothing.")
]
Rederive = Annotated[
    bool,
    typer.Option(
        "--rederive",
        help="Also plan again from the manifest's header and clips alone, without the source: which clips are "
        "poisoned, where the trigger lies, and what was drawn for each must come out the same.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
