"""What a plan will do and what a manifest holds, as (name, value) for `table_layout.facts`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from poisonkit.manifest import Attack, Encoding, Manifest, Rate
from poisonkit.plan.plan import Plan

_LISTED = 10
"""Skipped clips listed one by one."""
_CLASSES = 8
"""Classes named."""

Facts = list[tuple[str, str]]


def of_plan(plan: Plan) -> Facts:
    """What a plan will do."""
    listing = plan.listing
    counts = Counter[str](job.split for job in plan.jobs)
    facts = [
        ("source", f"{listing.root}: layout {listing.layout} ({listing.detected}), split {listing.split}"),
        ("classes", str(len(listing.classes))),
        ("files", _counts(counts)),
    ]
    if plan.skipped:
        facts.append(("skipped", f"{len(plan.skipped)} clips, such as {plan.skipped[0].id}: {plan.skipped[0].reason}"))
    if listing.ignored:
        facts.append(("ignored", f"{len(listing.ignored)} other files, such as {listing.ignored[0]}"))
    if plan.rate is not None and plan.target is not None:
        facts.append(("poisoned", _poisoned(plan.rate, f", asked {plan.rate.asked:g}")))
        facts.append(("target", f"{plan.target.label} {plan.target.name}"))
        facts += _attacks(plan.attacks) or [("attack", "none: labels only")]
        facts.append(("written", f"{len(plan.written())} files are re-encoded, the others carried over"))
    return facts


def of_manifest(manifest: Manifest) -> Facts:
    """A manifest's header."""
    names = ", ".join(manifest.classes[:_CLASSES]) + (", …" if len(manifest.classes) > _CLASSES else "")
    facts = [
        ("name", manifest.name),
        ("files", f"{_counts(manifest.splits)} under {manifest.root}"),
        ("classes", f"{len(manifest.classes)}: {names}"),
        ("source", f"layout {manifest.source.layout}, split {manifest.source.split}"),
        ("seed", str(manifest.seed)),
        *_attacks(manifest.attacks),
    ]
    if manifest.rate is not None and manifest.target is not None:
        facts.append(("poisoned", f"{_poisoned(manifest.rate)}, {manifest.label_mode} label"))
        facts.append(("target", f"{manifest.target.label} {manifest.target.name}"))
    facts += _encoding(manifest.encoding)
    return facts + [("skipped", f"{skip.id}: {skip.reason}") for skip in manifest.skipped[:_LISTED]]


def _counts(splits: Mapping[str, int]) -> str:
    return ", ".join(f"{split} {count}" for split, count in splits.items())


def _poisoned(rate: Rate, more: str = "") -> str:
    return f"{rate.poisoned} of {rate.total} training clips ({rate.achieved:.2%}{more})"


def _attacks(attacks: Sequence[Attack]) -> Facts:
    facts = []
    for attack in attacks:
        params = " ".join(f"{name}={value}" for name, value in attack.params.items())
        facts.append(("attack", f"{attack.name} ({attack.modality}), {attack.mode}, {params}"))
        if attack.placement is not None:
            facts.append(("placement", f"frames {attack.placement.frames} in windows of {attack.placement.window}"))
    return facts


def _encoding(encoding: Encoding) -> Facts:
    """How the files were written; nothing for a manifest of unchanged ones."""
    facts = []
    rungs = {"video": encoding.rung, "audio": encoding.sound_rung}
    taken = ", ".join(f"{modality} {rung}" for modality, rung in rungs.items() if rung is not None)
    if taken:
        facts.append(("quality", f"{encoding.quality}: {taken}; clean files by {encoding.carry}"))
    if encoding.clip is not None or encoding.short_side is not None:
        facts.append(("written", f"clips of {encoding.clip}" if encoding.clip else f"short side {encoding.short_side}"))
    if taken or encoding.video:
        facts += [(f"encoder {suffix}", line) for suffix, line in encoding.video.items()]
        facts.append(("audio encoder", encoding.audio))
    return facts
