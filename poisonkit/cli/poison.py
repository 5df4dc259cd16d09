"""`poisonkit poison`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from poisonkit.cli import option_groups as groups
from poisonkit.cli import options, output
from poisonkit.cli.expand import expanded
from poisonkit.cli.options import CarryName, NoAudioName
from poisonkit.errors import PoisonkitError

if TYPE_CHECKING:
    from poisonkit.layouts import Listing
    from poisonkit.manifest import Manifest, Skipped
    from poisonkit.plan.plan import Plan
    from poisonkit.plan.request import Request
    from poisonkit.run.settings import Settings


@expanded
def poison(
    data: groups.DataSet,
    attack: groups.Attack,
    victim: groups.Victim,
    copy: groups.Copy,
    machine: groups.Machine,
    dry_run: options.DryRun = False,
    as_json: options.Json = False,
) -> None:
    """Write a poisoned copy of a data set and its manifest.

    Example: poisonkit poison ucf101/ --attack badnet --rate 0.1
    """
    from poisonkit.plan import plan as planning

    workers = machine.count()
    listing = data.listing(attack.seed)
    request = _request(attack, victim, copy)
    skip = attack.no_audio is NoAudioName.skip
    listing, skipped = _audible(listing, request, skip=skip, workers=workers, scheduler=machine.scheduler)
    plan = planning.poison(listing, request, skipped)
    names = "-".join(made.name for made in plan.attacks) or "none"
    folder = copy.out or Path(f"{data.source.resolve().name}-{names}{attack.ending}")
    settings = _settings(folder, copy, victim, workers, machine.scheduler)
    if dry_run:
        _dry_run(plan, settings, as_json)
    else:
        _poison(plan, settings, as_json)


def _request(attack: groups.Attack, victim: groups.Victim, copy: groups.Copy) -> Request:
    """What decides the plan."""
    from poisonkit.plan.request import Request

    names, parameters = groups.parse_attacks(attack.attack, attack.set_)
    return Request(
        attacks=names,
        mode=attack.mode.value,
        settings=parameters,
        rate=attack.rate,
        rate_of=None if attack.rate_of is None else attack.rate_of.value,
        target=attack.target,
        label_mode=attack.label_mode.value,
        seed=attack.seed,
        frames=attack.frames,
        window=victim.window,
        sham=copy.sham,
        train_triggered=copy.train_triggered,
        reencode=copy.carry is CarryName.reencode,
        clip=victim.clip,
        short_side=victim.short_side,
    )


def _settings(folder: Path, copy: groups.Copy, victim: groups.Victim, workers: int, scheduler: str | None) -> Settings:
    """How the plan is carried out."""
    from poisonkit.fidelity.video import parse_view
    from poisonkit.plan.copy_options import CopyOptions
    from poisonkit.run.settings import Settings

    return Settings(
        out=folder,
        manifest=copy.manifest or Path("manifests") / f"{folder.name}.json",
        options=CopyOptions(
            quality=copy.quality,
            carry=copy.carry.value,
            hash_all=copy.hash_all,
            view=parse_view(victim.view),
            survival=copy.survival,
        ),
        workers=workers,
        scheduler=scheduler,
        skip_broken=copy.skip_broken,
        force=copy.force,
    )


def _audible(
    listing: Listing, request: Request, *, skip: bool, workers: int, scheduler: str | None
) -> tuple[Listing, list[Skipped]]:
    """The clips on which the attacks can be made, and the others."""
    from poisonkit.plan.plan import make_attacks
    from poisonkit.run import audio_check

    attacks = make_attacks(request)
    screen = output.screen()
    try:
        return audio_check.audible(listing, attacks, screen, skip=skip, workers=workers, scheduler=scheduler)
    finally:
        screen.end()


def _poison(plan: Plan, settings: Settings, as_json: bool) -> None:
    from poisonkit.cli import facts, fidelity_tables, table_layout, tables
    from poisonkit.files import FOLDER
    from poisonkit.run import run

    screen = output.screen()
    screen.say(groups.recognised(plan.listing))
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
    for warning in _warnings(made):
        screen.say(f"warning: {warning}")
    if as_json:
        rungs = {"rung": made.encoding.rung, "sound_rung": made.encoding.sound_rung}
        output.show_json({"manifest": str(result.path), "out": str(settings.out), "splits": made.splits, **rungs})
        return
    output.show(table_layout.facts("Poisoned copy", facts.of_manifest(made)))
    output.show(tables.trials("Trials", made.encoding.trials))
    output.show(fidelity_tables.fidelity(made))
    sys.stdout.write(f"\nmanifest: {result.path}\nnext: trainer fit {result.path}\n")


def _warnings(made: Manifest) -> list[str]:
    """Where too little of a trigger is left, in the files or in a victim's input."""
    from poisonkit.fidelity import summary
    from poisonkit.run import quality_trials

    said = []
    for attack in made.attacks:
        modality = attack.modality
        rung = made.encoding.rung if modality == "video" else made.encoding.sound_rung
        lacking, carrying = len(summary.lacking(made, modality)), len(summary.least_kept(made, modality))
        if rung is not None and lacking > 0.05 * max(carrying, 1):
            dearer = quality_trials.next_rung(rung, modality)
            remedy = f"write with --quality {dearer}" if dearer else "lower the trigger's demands"
            said.append(
                f"{lacking} of {carrying} clips hold less than {summary.LISTED:g} of the {modality} trigger; {remedy}"
            )
    for attack in made.attacks:
        kept, count = summary.view_median(made, attack.modality)
        if kept is not None and kept < summary.FAILS:
            said.append(
                f"in a victim's input of {summary.view_of(made, attack.modality)} only {kept:.2f} of {attack.name} is "
                f"left (median of {count} clips); results with such a victim say little about the attack"
            )
    return said


def _dry_run(plan: Plan, settings: Settings, as_json: bool) -> None:
    """What the run would do, and what it would find where its copy goes."""
    from poisonkit.run import preflight

    preflight.check_places(plan, settings)
    _estimate(plan, settings, as_json)
    screen = output.screen()
    try:
        if preflight.finished_before(plan, settings) is not None:
            screen.say(f"note: {settings.out} holds this very copy already")
    except PoisonkitError as error:
        screen.say(f"note: the run itself would be refused: {error.message}")


def _estimate(plan: Plan, settings: Settings, as_json: bool) -> None:
    from poisonkit.cli import facts, table_layout, tables
    from poisonkit.run import quality_trials

    screen = output.screen()
    trials = quality_trials.estimate(plan, settings.options.quality, screen, workers=settings.workers)
    screen.end()
    copies = [quality_trials.estimated_bytes(plan, [trial]) for trial in trials]
    if as_json:
        bytes_of: dict[str, dict[str, int]] = {}
        for trial, size in zip(trials, copies, strict=True):
            bytes_of.setdefault(trial.modality, {})[trial.rung] = size
        total = sum(clip.size for clip in plan.listing.clips)
        output.show_json({**dict(facts.of_plan(plan)), "source_bytes": total, "estimated_bytes": bytes_of})
        return
    output.show(table_layout.facts("Plan (nothing is written)", facts.of_plan(plan)))
    if trials:
        output.show(tables.trials("Estimate from the beginnings of a few clips", trials, copies))
    else:
        sys.stdout.write("no estimate of the size: none of the clips that were looked at could be decoded\n")
