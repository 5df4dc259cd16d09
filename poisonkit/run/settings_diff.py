"""How a finished copy differs from what is asked for now, in the words of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poisonkit import manifest as contract
from poisonkit.manifest import Attack, Manifest
from poisonkit.plan.plan import Plan

if TYPE_CHECKING:
    from poisonkit.run.settings import Settings


def differing(manifest: Manifest, plan: Plan, settings: Settings) -> list[str]:
    """What differs, such as `--window 16x4 instead of 32x2`, the copy's own value first; empty for the same copy."""
    found = []
    there = contract.root_of(manifest, settings.manifest)
    if there.resolve() != settings.out.resolve():
        found.append(f"the files of {there}")
    decided = _decided(manifest, plan)
    clip = (manifest.encoding.clip, plan.geometry.text())
    found += [*_options(decided), *_attacks(manifest.attacks, plan, windows=clip[0] == clip[1])]
    if manifest.source.fingerprint != plan.listing.fingerprint:
        found += _sources(manifest, plan)
    elif not decided:  # else other clips are only what follows
        found += _clips(manifest, plan)
    form: list[Pair] = [("--clip", *clip), ("--quality", manifest.encoding.quality, settings.quality)]
    if clip == (None, None):  # else it says the short side too
        form.append(("--short-side", manifest.encoding.short_side, plan.geometry.short_side))
    found += _options([(name, a, b) for name, a, b in form if a != b])
    if not _carried_as_asked(manifest, settings):
        found.append(f"--carry {manifest.encoding.carry} instead of {settings.carry}")
    views = {s.view_survival["video"].view for s in manifest.samples if "video" in s.view_survival}
    view = "{}/{}".format(*settings.view)
    if views - {view}:
        found.append(f"--view {', '.join(sorted(views))} instead of {view}")
    if settings.survival != _measured(manifest):
        words = ("--no-survival", "--survival")
        found.append(f"{words[not settings.survival]} instead of {words[settings.survival]}")
    if settings.hash_all and not all(sample.sha256 for sample in manifest.samples):
        found.append("no --hash-all")
    return found


Pair = tuple[str, object, object]
"""An option, the copy's value, and the one that is asked for."""


def _options(pairs: list[Pair]) -> list[str]:
    return [_option(name, a, b) for name, a, b in pairs]


def _option(name: str, there: object, asked: object) -> str:
    start = f"no {name}" if there is None else f"{name}{'=' if name.startswith('--set') else ' '}{there}"
    return f"{start} instead of {'none' if asked is None else asked}"


def _decided(manifest: Manifest, plan: Plan) -> list[Pair]:
    """The options that decide which clips are changed, where they differ."""
    pairs: list[Pair] = [("--seed", manifest.seed, plan.seed), ("--label-mode", manifest.label_mode, plan.label_mode)]
    theirs, ours = manifest.target, plan.target
    if theirs != ours:
        pairs.append(("--target", theirs and f"{theirs.label} ({theirs.name})", ours and f"{ours.label} ({ours.name})"))
    return [(name, a, b) for name, a, b in pairs if a != b]


def _attacks(theirs: list[Attack], plan: Plan, *, windows: bool) -> list[str]:
    """Where the attacks differ; `windows`: in the placement's window too, which does not follow from another option."""
    ours = list(plan.attacks)
    there, asked = (" and ".join(attack.name for attack in attacks) or "none" for attacks in (theirs, ours))
    if there != asked:
        return _options([("--attack", there, asked)])
    pairs: list[Pair] = []
    for a, b in zip(theirs, ours, strict=True):
        pairs.append(("--mode", a.mode, b.mode))
        for name in sorted(a.params.keys() | b.params.keys()):
            option = f"--set {a.name}.{name}"
            pairs.append((option, a.params.get(name), b.params.get(name)))
        if a.placement and b.placement:
            pairs.append(("--frames", a.placement.frames, b.placement.frames))
            pairs += [("--window", a.placement.window, b.placement.window)] if windows else []
    found = [(name, a, b) for name, a, b in dict.fromkeys(pairs) if a != b]
    if not found and windows and theirs != ours:
        return [f"another {there}"]
    return _options(found)


def _sources(manifest: Manifest, plan: Plan) -> list[str]:
    """Other clips of the source, by their numbers where these differ, as with --test-limit."""
    found = []
    for split in ("train", "test"):
        theirs = sum(s.split == split for s in manifest.samples) + sum(s.split == split for s in manifest.skipped)
        ours = sum(j.split == split for j in plan.jobs) + sum(s.split == split for s in plan.skipped)
        if theirs != ours:
            found.append(f"{theirs} {split} clips of the source instead of {ours}")
    return found or ["other clips of the source"]


def _clips(manifest: Manifest, plan: Plan) -> list[str]:
    """Other clips poisoned or written of one source, by rate or number where that is why."""
    found: list[str] = []
    skipped = {s.id for s in manifest.skipped}
    poisoned = {j.id for j in plan.jobs if j.poisoned} - skipped
    if {s.id for s in manifest.samples if s.poisoned} != poisoned:
        rates: list[Pair] = []
        if manifest.rate and plan.rate:
            rates.append(("--rate", manifest.rate.asked, plan.rate.asked))
            rates.append(("--rate-of", manifest.rate.of, plan.rate.of))
        found += _options([(name, a, b) for name, a, b in rates if a != b]) or ["other poisoned clips"]
    theirs = {s.id for s in manifest.samples if s.split == "test_sham"}
    theirs |= {s.id for s in manifest.skipped if s.split == "test_sham"}
    ours = {j.id for j in plan.jobs if j.split == "test_sham"}
    if theirs != ours:
        found.append(f"--sham {len(theirs)} instead of {len(ours)}")
    written = {j.id for j in plan.jobs} | {s.id for s in plan.skipped}
    if not found and {s.id for s in manifest.samples} | skipped != written:
        found.append("other clips")
    return found


def _measured(manifest: Manifest) -> bool:
    """Whether what is left of the trigger was measured; true where nothing was triggered."""
    triggered = [sample for sample in manifest.samples if sample.trigger]
    return not triggered or any(sample.survival for sample in triggered)


def _carried_as_asked(manifest: Manifest, settings: Settings) -> bool:
    """`link` falls back to copies where links are impossible; the other two are what they say."""
    carried = manifest.encoding.carry
    return carried not in ("reencode", "none") if settings.carry == "link" else carried == settings.carry
