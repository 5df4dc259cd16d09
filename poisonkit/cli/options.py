"""The options of the commands, with their help texts: each is said once, however many commands take it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import poisonkit


class Commands(TyperGroup):
    """The commands; a wrong value is told in plain words."""

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
    str, typer.Option(help="How the folder is laid out: auto, ucf101, hmdb51, kinetics, folds, csv or folder.")
]
Annotations = Annotated[
    Path | None, typer.Option(help="Folder of the split lists, if not in the data set.", show_default=False)
]
Split = Annotated[
    str, typer.Option(help="Which official split, or which fold to test on, where a data set has several.")
]
Classes = Annotated[
    str | None,
    typer.Option(
        metavar="kinetics-sounds|FILE",
        help="Only these classes, labelled in this order: a built-in list, or a file with one class name a line.",
        show_default=False,
    ),
]
SkipBroken = Annotated[bool, typer.Option(help="Go on without clips that do not decode; count and list them.")]

TestLimit = Annotated[
    int | None,
    typer.Option(help="Take at most so many test clips, each class in its share.", show_default="all of them"),
]

# what is poisoned
Attack = Annotated[
    list[str],
    typer.Option(
        help="Trigger (see `poisonkit attacks`); twice for one on the pictures and one on the sound. none relabels and "
        "re-encodes without one, as a control; give it the --quality that the attack's copy took.",
        show_default=False,
    ),
]
Trigger = Annotated[str, typer.Option("--attack", help="Trigger (see `poisonkit attacks`).", show_default=False)]
Mode = Annotated[ModeName, typer.Option(help="Same trigger on all frames, or drawn anew per frame.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the trigger.", show_default=False),
]
Rate = Annotated[float, typer.Option(help="Share of the training clips to poison, above 0 and at most 1.")]
RateOf = Annotated[
    RateOfName | None,
    typer.Option(
        help="Count the rate against all training clips or the target class's.",
        show_default="all; target for clean label",
    ),
]
Target = Annotated[str, typer.Option(help="Class that triggered clips shall get: label or name.")]
LabelMode = Annotated[
    LabelModeName,
    typer.Option(help="dirty: other classes' clips, relabelled; clean: the target's own clips."),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="Decides which clips are poisoned and everything that is drawn.")
]
Frames = Annotated[str, typer.Option(help="Frames that carry the trigger: all, N in every window, or random.")]
Window = Annotated[str, typer.Option(help="The victim's sampling: LENGTHxSTRIDE or uniform:SEGMENTS.")]

Clip = Annotated[
    str | None,
    typer.Option(
        metavar="WINDOW@SHORT",
        help="Write of each new clip only the frames of one window, as a victim samples them, at that short side and "
        "without sound, such as 32x2@256: the attacker who knows the pipeline.",
        show_default=False,
    ),
]
ShortSide = Annotated[
    int | None, typer.Option(help="Scale new clips to this short side before the trigger goes in.", show_default=False)
]
View = Annotated[
    str,
    typer.Option(help="The victim's input, for what its resize and centre crop leave of the trigger: SHORT/CROP."),
]

# what is written
Quality = Annotated[
    str,
    typer.Option(help="Rung: auto, match, high, near or lossless. auto takes the cheapest that the trigger survives."),
]
Carry = Annotated[
    CarryName, typer.Option(help="Clean files: link (reflink, else hard link, else copy), copy, or reencode.")
]
NoAudio = Annotated[
    NoAudioName,
    typer.Option(
        help="Under an attack on sound, clips without sound, silent ones, and those whose rate cannot hold the "
        "trigger: an error, or skip them, and count and list them."
    ),
]
Sham = Annotated[
    str | None,
    typer.Option(help="Test clips re-encoded without the trigger: a number, all or none.", show_default="500"),
]
HashAll = Annotated[bool, typer.Option(help="Record the SHA-256 of carried files too.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Folder of the poisoned copy.", show_default="./<SRC name>-<attacks>[-dynamic]"),
]
ManifestOfCopy = Annotated[
    Path | None, typer.Option(help="Where the manifest goes.", show_default="manifests/<name of --out>.json")
]
ManifestOfSource = Annotated[
    Path | None, typer.Option(help="Where the manifest goes.", show_default="manifests/<SRC name>.json")
]

# how
Survival = Annotated[
    bool,
    typer.Option(
        help="Read every written file back and measure what is left of the trigger. Without it a run is faster, and "
        "only the clips of the trial are known."
    ),
]
Workers = Annotated[
    int | None, typer.Option(help="Processes; the result does not depend on it.", show_default="CPU cores")
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
Force = Annotated[bool, typer.Option("--force", help="Write even if the trigger does not survive the rung.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
