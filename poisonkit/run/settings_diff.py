"""How a finished copy differs from what is asked for now."""

from __future__ import annotations

from poisonkit import manifest as contract
from poisonkit.manifest import Attack, Manifest
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.plan import Plan
from poisonkit.run.settings import Settings
from poisonkit.text import argument

Pair = tuple[str, object, object]
"""An argument, the copy's value, and the one that is asked for."""


def differing(manifest: Manifest, plan: Plan, settings: Settings) -> list[str]:
    """What differs, such as `--window 16x4 instead of 32x2`, the copy's own value first; empty for the same copy."""
    found = []
    there = contract.root_of(manifest, settings.manifest)
    if there.resolve() != settings.out.resolve():
        found.append(f"the files of {there}")
    decided = _decided(manifest, plan)
    found += [*decided, *_attacks(manifest, plan)]
    if manifest.source.fingerprint != plan.listing.fingerprint:
        found += _sources(manifest, plan)
    elif not decided:  # else other clips are only what follows
        found += _clips(manifest, plan)
    return found + _form(manifest, plan, settings.options) + _measurements(manifest, settings.options)


def _changed(pairs: list[Pair]) -> list[str]:
    """Of each pair whose values differ, both."""
    return [_pair(name, there, asked) for name, there, asked in dict.fromkeys(pairs) if there != asked]


def _pair(name: str, there: object, asked: object) -> str:
    start = f"no {argument(name)}" if there is None else f"{argument(name)} {there}"
    return f"{start} instead of {'none' if asked is None else asked}"


def _decided(manifest: Manifest, plan: Plan) -> list[str]:
    """Where what decides which clips are changed differs."""
    theirs, ours = (target and f"{target.label} ({target.name})" for target in (manifest.target, plan.target))
    return _changed(
        [
            ("seed", manifest.seed, plan.seed),
            ("label_mode", manifest.label_mode, plan.label_mode),
            ("target", theirs, ours),
        ]
    )


def _attacks(manifest: Manifest, plan: Plan) -> list[str]:
    """Where the attacks differ; of the window only what does not follow from the frames that are written."""
    theirs, ours = list(manifest.attacks), list(plan.attacks)
    there, asked = (" and ".join(attack.name for attack in attacks) or "none" for attacks in (theirs, ours))
    if there != asked:
        return _changed([("attack", there, asked)])
    windows = manifest.encoding.clip == plan.geometry.text()
    found = _changed([pair for a, b in zip(theirs, ours, strict=True) for pair in _attack(a, b, windows=windows)])
    return [f"another {there}"] if not found and windows and theirs != ours else found


def _attack(theirs: Attack, ours: Attack, *, windows: bool) -> list[Pair]:
    pairs: list[Pair] = [("mode", theirs.mode, ours.mode)]
    for name in sorted(theirs.params.keys() | ours.params.keys()):
        there, asked = theirs.params.get(name), ours.params.get(name)
        if there != asked:
            pairs.append(("set", f"{theirs.name}.{name}{' unset' if there is None else f'={there}'}", asked))
    if theirs.placement and ours.placement:
        pairs.append(("frames", theirs.placement.frames, ours.placement.frames))
        pairs += [("window", theirs.placement.window, ours.placement.window)] if windows else []
    return pairs


def _sources(manifest: Manifest, plan: Plan) -> list[str]:
    """Other clips of the source, by their numbers where these differ, as with a limit on the test clips."""
    found = []
    for split in ("train", "test"):
        theirs = sum(s.split == split for s in manifest.samples) + sum(s.split == split for s in manifest.skipped)
        ours = sum(j.split == split for j in plan.jobs) + sum(s.split == split for s in plan.skipped)
        if theirs != ours:
            found.append(f"{theirs} {split} clips of the source instead of {ours}")
    return found or ["other clips of the source"]


def _clips(manifest: Manifest, plan: Plan) -> list[str]:
    """Other clips poisoned or written of one source, by rate or number where that is why."""
    found = _poisoned(manifest, plan) + _beside(manifest, plan)
    theirs = {s.id for s in manifest.samples} | {s.id for s in manifest.skipped}
    ours = {j.id for j in plan.jobs} | {s.id for s in plan.skipped}
    return found or ([] if theirs == ours else ["other clips"])


def _poisoned(manifest: Manifest, plan: Plan) -> list[str]:
    ours = {j.id for j in plan.jobs if j.poisoned and j.split == "train"} - {s.id for s in manifest.skipped}
    if {s.id for s in manifest.samples if s.poisoned and s.split == "train"} == ours:
        return []
    rates: list[Pair] = []
    if manifest.rate and plan.rate:
        rates = [("rate", manifest.rate.asked, plan.rate.asked), ("rate_of", manifest.rate.of, plan.rate.of)]
    return _changed(rates) or ["other poisoned clips"]


def _beside(manifest: Manifest, plan: Plan) -> list[str]:
    """Where other clips are written beside the test clips."""
    found = []
    for name, split in (("sham", "test_sham"), ("train_triggered", "train_triggered")):
        theirs = {s.id for s in manifest.samples if s.split == split}
        theirs |= {s.id for s in manifest.skipped if s.split == split}
        ours = {j.id for j in plan.jobs if j.split == split}
        found += [] if theirs == ours else [_pair(name, len(theirs), len(ours))]
    return found


def _form(manifest: Manifest, plan: Plan, options: CopyOptions) -> list[str]:
    """Where the files would be written otherwise."""
    how = manifest.encoding
    pairs: list[Pair] = [("clip", how.clip, plan.geometry.text()), ("quality", how.quality, options.quality)]
    if how.clip is None and plan.geometry.clip is None:  # else it says the short side too
        pairs.append(("short_side", how.short_side, plan.geometry.short_side))
    # `link` falls back to copies where links are impossible; the other two are what they say
    as_asked = how.carry not in ("reencode", "none") if options.carry == "link" else how.carry == options.carry
    there = how.carry if how.carry in ("copy", "reencode", "none") else "link"
    return _changed(pairs) + ([] if as_asked else [_pair("carry", there, options.carry)])


def _measurements(manifest: Manifest, options: CopyOptions) -> list[str]:
    """Where other things would be measured of the files."""
    found = []
    views = {s.view_survival["video"].view for s in manifest.samples if "video" in s.view_survival}
    view = "{}/{}".format(*options.view)
    if views - {view}:
        found.append(_pair("view", ", ".join(sorted(views)), view))
    triggered = [sample for sample in manifest.samples if sample.trigger]
    measured = any(sample.survival for sample in triggered)
    if triggered and options.survival != measured:
        found.append(f"{argument('survival', measured)} instead of {argument('survival', options.survival)}")
    if options.hash_all and not all(sample.sha256 for sample in manifest.samples):
        found.append(f"no {argument('hash_all', True)}")
    return found
