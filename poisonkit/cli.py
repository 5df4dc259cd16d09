"""`poisonkit`: options in, one function of the library, what the user sees. Heavy imports wait until needed."""

from __future__ import annotations

import json
import signal
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from poisonkit.errors import PoisonkitError

if TYPE_CHECKING:
    from poisonkit.layouts import Listing
    from poisonkit.plan import Plan

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Poison a video data set on disk, with a manifest of what was changed and what survived the codec. "
    "Research software for measuring and defending; sources are never touched, copies are marked as poisoned.",
)


class Mode(StrEnum):
    static = "static"
    dynamic = "dynamic"


class RateOf(StrEnum):
    all = "all"
    target = "target"


class LabelMode(StrEnum):
    dirty = "dirty"
    clean = "clean"


class Carry(StrEnum):
    link = "link"
    copy = "copy"
    reencode = "reencode"


_Source = Annotated[
    Path, typer.Argument(metavar="SRC", help="Folder of the data set; it is only read.", show_default=False)
]
_ManifestArgument = Annotated[Path, typer.Argument(metavar="MANIFEST", help="Manifest file.", show_default=False)]
_Layout = Annotated[str, typer.Option(help="How the folder is laid out: auto, ucf101 or folder.")]
_Annotations = Annotated[
    Path | None, typer.Option(help="Folder of the split lists, if not in the data set.", show_default=False)
]
_Split = Annotated[str, typer.Option(help="Which official split, where a data set has several.")]
_Seed = Annotated[int, typer.Option(help="Decides which clips are poisoned and everything that is drawn.")]
_Workers = Annotated[
    int | None, typer.Option(help="Processes; the result does not depend on it.", show_default="CPU cores")
]
_ManifestOption = Annotated[
    Path | None, typer.Option(help="Where the manifest goes.", show_default="manifests/<name of --out>.json")
]
_SkipBroken = Annotated[bool, typer.Option(help="Go on without clips that do not decode; count and list them.")]
_HashAll = Annotated[bool, typer.Option(help="Record the SHA-256 of carried files too.")]
_Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


@app.command()
def poison(
    source: _Source,
    attack: Annotated[list[str], typer.Option(help="Trigger (see `poisonkit attacks`), or none.", show_default=False)],
    mode: Annotated[Mode, typer.Option(help="Same trigger on all frames, or drawn anew per frame.")] = Mode.static,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME.PARAM=VALUE", help="Set a parameter of the trigger."),
    ] = None,
    rate: Annotated[float, typer.Option(help="Share of the training clips to poison, above 0 and at most 1.")] = 0.1,
    rate_of: Annotated[
        RateOf | None,
        typer.Option(
            help="Count the rate against all training clips or the target class's.",
            show_default="all; target for clean label",
        ),
    ] = None,
    target: Annotated[str, typer.Option(help="Class that triggered clips shall get: label or name.")] = "0",
    label_mode: Annotated[
        LabelMode,
        typer.Option(help="dirty: other classes' clips, relabelled; clean: the target's own clips."),
    ] = LabelMode.dirty,
    seed: _Seed = 0,
    layout: _Layout = "auto",
    annotations: _Annotations = None,
    split: _Split = "1",
    frames: Annotated[
        str, typer.Option(help="Frames that carry the trigger: all, N in every window, or random.")
    ] = "all",
    window: Annotated[str, typer.Option(help="The victim's sampling: LENGTHxSTRIDE or uniform:SEGMENTS.")] = "32x2",
    quality: Annotated[
        str,
        typer.Option(
            help="Rung: auto, match, high, near or lossless. auto takes the cheapest that the trigger survives."
        ),
    ] = "auto",
    carry: Annotated[
        Carry, typer.Option(help="Clean files: link (reflink, else hard link, else copy), copy, or reencode.")
    ] = Carry.link,
    sham: Annotated[
        str | None,
        typer.Option(help="Test clips re-encoded without the trigger: a number, all or none.", show_default="500"),
    ] = None,
    skip_broken: _SkipBroken = False,
    hash_all: _HashAll = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the poisoned copy.", show_default="./<SRC name>-<attack>[-dynamic]"),
    ] = None,
    manifest: _ManifestOption = None,
    workers: _Workers = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print what would be done, with the estimated size; write nothing."),
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Write even if the trigger does not survive the rung.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Write a poisoned copy of a data set and its manifest.

    Example: poisonkit poison ucf101/ --attack badnet --rate 0.1
    """
    from poisonkit import plan as planning

    listing = _listing(source, layout, annotations, split, seed)
    name, settings = _attack(attack, set_ or [])
    request = planning.Request(
        attack=name,
        mode=mode.value,
        settings=settings,
        rate=rate,
        rate_of=None if rate_of is None else rate_of.value,
        target=target,
        label_mode=label_mode.value,
        seed=seed,
        frames=frames,
        window=window,
        sham=sham,
        reencode=carry is Carry.reencode,
    )
    plan = planning.poison(listing, request)
    folder = out or Path(f"{source.resolve().name}-{name or 'none'}{'-dynamic' if mode is Mode.dynamic else ''}")
    where = manifest or Path("manifests") / f"{folder.name}.json"
    if dry_run:
        _dry_run(plan, quality, workers, as_json)
        return
    from poisonkit import run

    options = run.Settings(
        out=folder,
        manifest=where,
        quality=quality,
        carry=carry.value,
        skip_broken=skip_broken,
        force=force,
        hash_all=hash_all,
        workers=_workers(workers),
    )
    _poison(plan, options, as_json)


def _poison(plan: Plan, options: Any, as_json: bool) -> None:
    from poisonkit import run, show

    screen = _screen()
    screen.say(
        f"reading {plan.listing.root}: {plan.listing.layout} ({plan.listing.detected}), {len(plan.listing.clips)} clips"
    )
    try:
        result = run.poison(plan, options, screen)
    except KeyboardInterrupt:
        screen.end()
        _fail(f"stopped; what is done is kept in {options.out}, the same command continues", code=130)
    finally:
        screen.end()
    made = result.manifest
    if not result.fresh:
        screen.say("this copy is already complete; nothing was done")
    if as_json:
        _print_json(
            {
                "manifest": str(result.path),
                "out": str(options.out),
                "splits": made.splits,
                "rung": made.encoding.rung,
            }
        )
        return
    _print(show.facts("Poisoned copy", show.manifest_facts(made)))
    _print(show.trials("Trials", made.encoding.trials))
    _print(show.fidelity(made))
    _warn(made)
    sys.stdout.write(f"\nmanifest: {result.path}\nnext: trainer fit {result.path}\n")


def _warn(made: Any) -> None:
    from poisonkit import quality, show

    lacking = len(show.lacking(made))
    carrying = sum(1 for s in made.samples if (v := s.survival.get("video")) is not None and v.gain is not None)
    if lacking > 0.05 * max(carrying, 1):
        dearer = quality.next_rung(made.encoding.rung)
        remedy = f"write with --quality {dearer}" if dearer else "lower the trigger's demands"
        _screen().say(f"warning: {lacking} of {carrying} clips hold less than 0.9 of the trigger; {remedy}")


def _dry_run(plan: Plan, quality_name: str, workers: int | None, as_json: bool) -> None:
    from poisonkit import quality, show

    screen = _screen()
    trials = quality.estimate(plan, quality_name, screen, workers=_workers(workers))
    screen.end()
    total = sum(clip.size for clip in plan.listing.clips)
    sizes = {clip.path: clip.size for clip in plan.listing.clips}
    written = sum(sizes[job.path] for job in plan.written())
    if as_json:
        facts = dict(show.plan_facts(plan))
        bytes_of = {t.rung: round(written * t.bytes / t.source_bytes) for t in trials if t.source_bytes}
        _print_json({**facts, "source_bytes": total, "estimated_bytes": bytes_of})
        return
    _print(show.facts("Plan (nothing is written)", show.plan_facts(plan)))
    if trials:
        _print(show.trials("Estimate from the beginnings of a few clips", trials, scale=written))
    else:
        sys.stdout.write("no estimate of the size: none of the clips that were looked at could be decoded\n")


@app.command()
def index(
    source: _Source,
    layout: _Layout = "auto",
    annotations: _Annotations = None,
    split: _Split = "1",
    seed: _Seed = 0,
    manifest: Annotated[
        Path | None, typer.Option(help="Where the manifest goes.", show_default="manifests/<SRC name>.json")
    ] = None,
    workers: _Workers = None,
    skip_broken: _SkipBroken = False,
    hash_all: _HashAll = False,
    as_json: _Json = False,
) -> None:
    """Write a manifest of the unchanged data set: the baseline. Nothing is copied."""
    from poisonkit import plan as planning
    from poisonkit import run, show

    listing = _listing(source, layout, annotations, split, seed)
    where = manifest or Path("manifests") / f"{source.resolve().name}.json"
    options = run.Settings(
        out=source, manifest=where, skip_broken=skip_broken, hash_all=hash_all, workers=_workers(workers)
    )
    screen = _screen()
    try:
        made = run.index(planning.index(listing, seed), options, screen).manifest
    finally:
        screen.end()
    if as_json:
        _print_json({"manifest": str(where), "splits": made.splits})
        return
    _print(show.facts("Data set", show.manifest_facts(made)))
    sys.stdout.write(f"\nmanifest: {where}\nnext: trainer fit {where}\n")


@app.command()
def attacks(
    name: Annotated[str | None, typer.Argument(help="One attack, in detail.", show_default=False)] = None,
    as_json: _Json = False,
) -> None:
    """List the triggers with their parameters, units, ranges, defaults and sources."""
    from poisonkit import show
    from poisonkit.triggers import TRIGGERS, find

    shown = TRIGGERS if name is None else {name: find(name)}
    if as_json:
        _print_json({key: _describe(kind) for key, kind in shown.items()})
    elif name is None:
        _print(show.trigger_list(TRIGGERS))
        sys.stdout.write("\nparameters of one: poisonkit attacks NAME\n")
    else:
        _print(show.trigger_detail(shown[name]))


def _describe(kind: Any) -> dict[str, Any]:
    params = {
        f.name: {"default": f.default, **{k: v for k, v in f.metadata.items() if v not in ("", ())}}
        for f in kind.fields()
    }
    return {"modality": kind.modality, "source": kind.source, "params": params}


@app.command()
def inspect(manifest: _ManifestArgument, as_json: _Json = False) -> None:
    """Show what a manifest holds: header, splits, and how much of the trigger the files still carry."""
    from poisonkit import manifest as contract
    from poisonkit import show

    made = contract.load(manifest)
    if as_json:
        lacking = [sample.id for sample, _ in show.lacking(made)]
        _print_json({**dict(show.manifest_facts(made)), "splits": made.splits, "below_0.9": lacking})
        return
    _print(show.facts(str(manifest), show.manifest_facts(made)))
    if made.encoding.trials:
        _print(show.trials("Trials", made.encoding.trials))
    _print(show.fidelity(made))


@app.command()
def verify(manifest: _ManifestArgument, as_json: _Json = False) -> None:
    """Check a copy against its manifest: hashes, frames, labels, nothing missing or extra.

    Exit code 1 if something is off.
    """
    from poisonkit import manifest as contract
    from poisonkit import verify as checking

    total = len(contract.load(manifest).samples)
    screen = _screen()
    screen.begin("verifying", total, total)
    try:
        report = checking.verify(manifest, lambda: screen.advance(1))
    finally:
        screen.end()
    if as_json:
        _print_json(
            {
                "ok": not report.problems,
                "files": report.files,
                "hashed": report.hashed,
                "problems": report.problems,
            }
        )
    else:
        for problem in report.problems:
            sys.stdout.write(f"{problem}\n")
        verdict = f"{len(report.problems)} problems" if report.problems else "all is as the manifest says"
        sys.stdout.write(f"{report.files} files, {report.hashed} hashes compared: {verdict}\n")
    if report.problems:
        raise typer.Exit(1)


@app.command("demo-data")
def demo_data(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="New folder for the data set.", show_default=False)],
    seed: Annotated[int, typer.Option(help="Another seed gives another data set.")] = 0,
    train: Annotated[int, typer.Option(help="Training clips per class.")] = 36,
    test: Annotated[int, typer.Option(help="Test clips per class.")] = 12,
    workers: _Workers = None,
) -> None:
    """Make the procedural audio-visual data set: classes told apart by motion and by sound, in a minute."""
    from poisonkit.demo import make_demo

    screen = _screen()
    begun = False

    def progress(done: int, total: int) -> None:
        nonlocal begun
        if not begun:
            screen.begin("drawing", total, total)
            begun = True
        screen.advance(1)

    try:
        make_demo(
            out,
            clips_per_class_train=train,
            clips_per_class_test=test,
            seed=seed,
            workers=_workers(workers),
            progress=progress,
        )
    finally:
        screen.end()
    sys.stdout.write(f"data set: {out}\nnext: poisonkit poison {out} --attack badnet\n")


def _listing(source: Path, layout: str, annotations: Path | None, split: str, seed: int) -> Listing:
    from poisonkit import layouts

    return layouts.read(source, layout, layouts.Options(annotations=annotations, split=split, seed=seed))


def _attack(names: list[str], texts: list[str]) -> tuple[str | None, dict[str, str]]:
    """The attack's name (None for `none`) and its parameters as text."""
    if len(names) != 1:
        raise PoisonkitError(
            f"--attack was given {len(names)} times; give one attack a modality, and there is only video yet"
        )
    name = names[0]
    settings = {}
    for text in texts:
        left, equals, value = text.partition("=")
        owner, dot, parameter = left.partition(".")
        if not (equals and dot and owner == name):
            raise PoisonkitError(f"--set {text!r} is not {name}.PARAM=VALUE; see `poisonkit attacks {name}`")
        settings[parameter] = value
    return (None if name == "none" else name), settings


def _workers(workers: int | None) -> int:
    from poisonkit.pool import available_cores

    return available_cores() if workers is None else workers


def _screen() -> Any:
    from rich.console import Console

    from poisonkit.show import Screen

    return Screen(Console(stderr=True))


def _print(renderable: Any) -> None:
    from rich.console import Console

    if renderable is not None:
        # a pipe or a file gets whole lines; rich would cut them at 80 characters
        console = Console() if sys.stdout.isatty() else Console(width=200)
        console.print(renderable)
        console.print()


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def _fail(message: str, code: int = 2) -> NoReturn:
    sys.stderr.write(f"poisonkit: {message}\n")
    raise SystemExit(code)


def main() -> None:
    """Entry point: a user's mistake is one sentence and exit code 2."""

    def stop(*_: Any) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    try:
        app()
    except PoisonkitError as error:
        _fail(str(error))
    except OSError as error:
        name = f" {error.filename}" if error.filename else ""
        _fail(f"{error.strerror or error}:{name}; make it accessible or make room, and run the same command again")
