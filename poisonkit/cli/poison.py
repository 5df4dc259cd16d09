"""`poisonkit poison`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from poisonkit.cli import options, output
from poisonkit.cli.options import CarryName, LabelModeName, ModeName

if TYPE_CHECKING:
    from poisonkit.manifest import Manifest
    from poisonkit.plan import Plan
    from poisonkit.run import Settings


def poison(
    source: options.Source,
    attack: options.Attack,
    mode: options.Mode = ModeName.static,
    set_: options.Parameters = None,
    rate: options.Rate = 0.1,
    rate_of: options.RateOf = None,
    target: options.Target = "0",
    label_mode: options.LabelMode = LabelModeName.dirty,
    seed: options.Seed = 0,
    test_limit: options.TestLimit = None,
    layout: options.Layout = "auto",
    annotations: options.Annotations = None,
    split: options.Split = "1",
    classes: options.Classes = None,
    frames: options.Frames = "all",
    window: options.Window = "32x2",
    view: options.View = "256/224",
    quality: options.Quality = "auto",
    carry: options.Carry = CarryName.link,
    sham: options.Sham = None,
    skip_broken: options.SkipBroken = False,
    hash_all: options.HashAll = False,
    out: options.Out = None,
    manifest: options.ManifestOfCopy = None,
    workers: options.Workers = None,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write a poisoned copy of a data set and its manifest.

    Example: poisonkit poison ucf101/ --attack badnet --rate 0.1
    """
    from poisonkit import plan as planning
    from poisonkit import run
    from poisonkit.cli import _data
    from poisonkit.fidelity import parse_view

    listing = _data.listing(source, layout, annotations, split, seed, classes, test_limit)
    name, parameters = _data.attack(attack, set_ or [])
    request = planning.Request(
        attack=name,
        mode=mode.value,
        settings=parameters,
        rate=rate,
        rate_of=None if rate_of is None else rate_of.value,
        target=target,
        label_mode=label_mode.value,
        seed=seed,
        frames=frames,
        window=window,
        sham=sham,
        reencode=carry is CarryName.reencode,
    )
    plan = planning.poison(listing, request)
    folder = out or Path(f"{source.resolve().name}-{name or 'none'}{'-dynamic' if mode is ModeName.dynamic else ''}")
    settings = run.Settings(
        out=folder,
        manifest=manifest or Path("manifests") / f"{folder.name}.json",
        quality=quality,
        carry=carry.value,
        skip_broken=skip_broken,
        force=force,
        hash_all=hash_all,
        workers=_data.workers(workers),
        view=parse_view(view),
    )
    if dry_run:
        run.check_places(plan, settings)
        _dry_run(plan, quality, settings.workers, as_json)
        return
    _poison(plan, settings, as_json)


def _poison(plan: Plan, settings: Settings, as_json: bool) -> None:
    from poisonkit import run, show
    from poisonkit.files import FOLDER

    screen = output.screen()
    screen.say(
        f"reading {plan.listing.root}: {plan.listing.layout} ({plan.listing.detected}), {len(plan.listing.clips)} clips"
    )
    try:
        result = run.poison(plan, settings, screen)
    except KeyboardInterrupt:
        screen.end()
        kept = (settings.out / FOLDER).exists()
        what = f"what is done is kept in {settings.out}, the same command continues" if kept else "nothing was written"
        output.fail(f"stopped; {what}", code=130)
    finally:
        screen.end()
    made = result.manifest
    if not result.fresh:
        screen.say("this copy is already complete; nothing was done")
    _warn(made)
    _warn_view(made)
    if as_json:
        facts = {"manifest": str(result.path), "out": str(settings.out)}
        output.show_json({**facts, "splits": made.splits, "rung": made.encoding.rung})
        return
    output.show(show.facts("Poisoned copy", show.manifest_facts(made)))
    output.show(show.trials("Trials", made.encoding.trials))
    output.show(show.fidelity(made))
    sys.stdout.write(f"\nmanifest: {result.path}\nnext: trainer fit {result.path}\n")


def _warn(made: Manifest) -> None:
    from poisonkit import quality, show

    lacking = len(show.lacking(made))
    carrying = sum(1 for s in made.samples if (v := s.survival.get("video")) is not None and v.gain is not None)
    rung = made.encoding.rung
    if rung is not None and lacking > 0.05 * max(carrying, 1):
        dearer = quality.next_rung(rung)
        remedy = f"write with --quality {dearer}" if dearer else "lower the trigger's demands"
        output.screen().say(f"warning: {lacking} of {carrying} clips hold less than 0.9 of the trigger; {remedy}")


def _warn_view(made: Manifest) -> None:
    from statistics import median

    from poisonkit import quality, show

    kept = [k for s in made.samples if (k := show.view_kept(s)) is not None]
    if kept and median(kept) < quality.FAILS:
        output.screen().say(
            f"warning: in a victim's input of {show.view_of(made)} only {median(kept):.2f} of the trigger is left "
            f"(median of {len(kept)} clips); what is found with such a victim tells little about the attack"
        )


def _dry_run(plan: Plan, quality_name: str, workers: int, as_json: bool) -> None:
    from poisonkit import quality, show

    screen = output.screen()
    trials = quality.estimate(plan, quality_name, screen, workers=workers)
    screen.end()
    total = sum(clip.size for clip in plan.listing.clips)
    sizes = {clip.path: clip.size for clip in plan.listing.clips}
    written = sum(sizes[job.path] for job in plan.written())
    if as_json:
        facts = dict(show.plan_facts(plan))
        bytes_of = {t.rung: round(written * t.bytes / t.source_bytes) for t in trials if t.source_bytes}
        output.show_json({**facts, "source_bytes": total, "estimated_bytes": bytes_of})
        return
    output.show(show.facts("Plan (nothing is written)", show.plan_facts(plan)))
    if trials:
        output.show(show.trials("Estimate from the beginnings of a few clips", trials, scale=written))
    else:
        sys.stdout.write("no estimate of the size: none of the clips that were looked at could be decoded\n")
