"""`poisonkit poison`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from poisonkit.cli import options, output
from poisonkit.cli.options import CarryName, LabelModeName, ModeName, NoAudioName
from poisonkit.errors import PoisonkitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poisonkit.layouts import Listing
    from poisonkit.manifest import Attack, Manifest, Modality, Skipped
    from poisonkit.plan.plan import Plan
    from poisonkit.run.settings import Settings


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
    clip: options.Clip = None,
    short_side: options.ShortSide = None,
    view: options.View = "256/224",
    survival: options.Survival = True,
    quality: options.Quality = "auto",
    carry: options.Carry = CarryName.link,
    sham: options.Sham = None,
    no_audio: options.NoAudio = NoAudioName.error,
    skip_broken: options.SkipBroken = False,
    hash_all: options.HashAll = False,
    out: options.Out = None,
    manifest: options.ManifestOfCopy = None,
    workers: options.Workers = None,
    scheduler: options.Scheduler = None,
    dry_run: options.DryRun = False,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write a poisoned copy of a data set and its manifest.

    Example: poisonkit poison ucf101/ --attack badnet --rate 0.1
    """
    from poisonkit.cli import _data
    from poisonkit.fidelity.video import parse_view
    from poisonkit.plan import plan as planning
    from poisonkit.plan.request import Request
    from poisonkit.run import preflight
    from poisonkit.run.settings import Settings

    count = _data.workers(workers, scheduler)
    listing = _data.listing(source, layout, annotations, split, seed, classes, test_limit)
    names, parameters = _data.attacks(attack, set_ or [])
    request = Request(
        attacks=names,
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
        clip=clip,
        short_side=short_side,
    )
    made = planning.make_attacks(request)
    skip = no_audio is NoAudioName.skip
    listing, skipped = _audible(listing, made, skip=skip, workers=count, scheduler=scheduler)
    plan = planning.poison(listing, request, skipped)
    ending = "-dynamic" if mode is ModeName.dynamic else ""
    folder = out or Path(f"{source.resolve().name}-{'-'.join(a.name for a in made) or 'none'}{ending}")
    settings = Settings(
        out=folder,
        manifest=manifest or Path("manifests") / f"{folder.name}.json",
        quality=quality,
        carry=carry.value,
        skip_broken=skip_broken,
        force=force,
        hash_all=hash_all,
        workers=count,
        scheduler=scheduler,
        view=parse_view(view),
        survival=survival,
    )
    if dry_run:
        preflight.check_places(plan, settings)
        _dry_run(plan, quality, settings.workers, as_json)
        _say_there(plan, settings)
        return
    _poison(plan, settings, as_json)


def _say_there(plan: Plan, settings: Settings) -> None:
    """What the run itself would find where its copy goes."""
    from poisonkit.run import preflight

    try:
        if preflight.finished_before(plan, settings) is not None:
            output.screen().say(f"note: {settings.out} holds this very copy already")
    except PoisonkitError as error:
        output.screen().say(f"note: the run itself would be refused: {error.message}")


def _audible(
    listing: Listing, attacks: Sequence[Attack], *, skip: bool, workers: int, scheduler: str | None
) -> tuple[Listing, list[Skipped]]:
    """The clips on which the attacks can be made, and the others."""
    from poisonkit.run import audio_check

    screen = output.screen()
    try:
        return audio_check.audible(listing, attacks, screen, skip=skip, workers=workers, scheduler=scheduler)
    finally:
        screen.end()


def _poison(plan: Plan, settings: Settings, as_json: bool) -> None:
    from poisonkit.cli import _data, table_layout, tables
    from poisonkit.files import FOLDER
    from poisonkit.run import run

    screen = output.screen()
    screen.say(_data.recognised(plan.listing))
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
        screen.say(f"this copy is already complete; nothing was done (poisonkit verify {result.path} checks its bytes)")
    _warn(made)
    _warn_view(made)
    if as_json:
        facts = {"manifest": str(result.path), "out": str(settings.out)}
        rungs = {"rung": made.encoding.rung, "sound_rung": made.encoding.sound_rung}
        output.show_json({**facts, "splits": made.splits, **rungs})
        return
    output.show(table_layout.facts("Poisoned copy", tables.manifest_facts(made)))
    output.show(tables.trials("Trials", made.encoding.trials))
    output.show(tables.fidelity(made))
    sys.stdout.write(f"\nmanifest: {result.path}\nnext: trainer fit {result.path}\n")


def _warn(made: Manifest) -> None:
    from poisonkit.fidelity import summary
    from poisonkit.run import quality_trials as quality

    rungs: dict[Modality, str | None] = {"video": made.encoding.rung, "audio": made.encoding.sound_rung}
    for modality, rung in rungs.items():
        lacking = len(summary.lacking(made, modality))
        carrying = sum(1 for s in made.samples if (v := s.survival.get(modality)) is not None and v.gain is not None)
        if rung is not None and lacking > 0.05 * max(carrying, 1):
            dearer = quality.next_rung(rung, modality)
            remedy = f"write with --quality {dearer}" if dearer else "lower the trigger's demands"
            output.screen().say(
                f"warning: {lacking} of {carrying} clips hold less than 0.9 of the {modality} trigger; {remedy}"
            )


def _warn_view(made: Manifest) -> None:
    from statistics import median

    from poisonkit.fidelity import summary

    for attack in made.attacks:
        kept = [k for s in made.samples if (k := summary.view_kept(s, attack.modality)) is not None]
        if kept and median(kept) < summary.FAILS:
            output.screen().say(
                f"warning: in a victim's input of {summary.view_of(made, attack.modality)} only {median(kept):.2f} of "
                f"{attack.name} is left (median of {len(kept)} clips); what is found with such a victim tells little "
                f"about the attack"
            )


def _dry_run(plan: Plan, quality_name: str, workers: int, as_json: bool) -> None:
    from poisonkit.cli import table_layout, tables
    from poisonkit.run import quality_trials as quality

    screen = output.screen()
    trials = quality.estimate(plan, quality_name, screen, workers=workers)
    screen.end()
    total = sum(clip.size for clip in plan.listing.clips)
    copies = [quality.estimated_bytes(plan, [trial]) for trial in trials]
    if as_json:
        facts = dict(tables.plan_facts(plan))
        bytes_of: dict[str, dict[str, int]] = {}
        for trial, size in zip(trials, copies, strict=True):
            bytes_of.setdefault(trial.modality, {})[trial.rung] = size
        output.show_json({**facts, "source_bytes": total, "estimated_bytes": bytes_of})
        return
    output.show(table_layout.facts("Plan (nothing is written)", tables.plan_facts(plan)))
    if trials:
        output.show(tables.trials("Estimate from the beginnings of a few clips", trials, copies))
    else:
        sys.stdout.write("no estimate of the size: none of the clips that were looked at could be decoded\n")
