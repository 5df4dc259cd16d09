"""Tables for people: what a trigger takes, what a plan will do, what a manifest holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poisonkit.cli.table_layout import number, plain, size, table
from poisonkit.fidelity.summary import LISTED, _by_survival, median_of, view_kept, view_of
from poisonkit.fidelity.visibility import Sight
from poisonkit.manifest import Attack, Manifest, Modality, Sample, Trial
from poisonkit.plan.plan import Plan
from poisonkit.triggers import Trigger
from poisonkit.triggers._params import allowed
from poisonkit.tune import Tried

WORST = 10
"""Clips listed one by one."""
_LEAST = 3
"""Clips listed where nothing is wrong with any."""
_WHAT: dict[Modality, str] = {"video": "pictures", "audio": "sound"}


def trigger_list(triggers: dict[str, type[Trigger]]) -> Table:
    """One line a trigger."""
    made = table("Attacks", "name", "modality", "what it does", "source")
    for name, kind in triggers.items():
        made.add_row(*map(plain, (name, kind.modality, _first_sentence(kind), kind.source)))
    return made


def trigger_detail(kind: type[Trigger]) -> Group:
    """Everything about one trigger: its docstring and its parameters."""
    made = table(
        f"Parameters of {kind.name} (--set {kind.name}.PARAM=VALUE)",
        "name",
        "default",
        "range",
        "unit",
        "meaning",
    )
    for field in kind.fields():
        cells = (field.name, str(field.default), allowed(field), field.metadata["unit"], field.metadata["help"])
        made.add_row(*map(plain, cells))
    doc = "\n".join(line.removeprefix("    ") for line in (kind.__doc__ or "").replace("`", "").strip().split("\n"))
    return Group(
        Text(f"{kind.name} ({kind.modality})", style="bold"),
        Text(doc),
        Text(f"\nSource: {kind.source}\n"),
        made,
    )


def _first_sentence(kind: type[Trigger]) -> str:
    return (kind.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("`", "").strip().rstrip(".")


def plan_facts(plan: Plan) -> list[tuple[str, str]]:
    """What a plan will do, as (name, value)."""
    listing = plan.listing
    counts: dict[str, int] = {}
    for job in plan.jobs:
        counts[job.split] = counts.get(job.split, 0) + 1
    facts = [
        ("source", f"{listing.root}: layout {listing.layout} ({listing.detected}), split {listing.split}"),
        ("classes", str(len(listing.classes))),
        ("files", ", ".join(f"{split} {count}" for split, count in counts.items())),
    ]
    if plan.skipped:
        facts.append(("skipped", f"{len(plan.skipped)} clips, such as {plan.skipped[0].id}: {plan.skipped[0].reason}"))
    if listing.ignored:
        facts.append(("ignored", f"{len(listing.ignored)} other files, such as {listing.ignored[0]}"))
    if plan.rate is not None and plan.target is not None:
        rate = plan.rate
        facts.append(
            (
                "poisoned",
                f"{rate.poisoned} of {rate.total} training clips ({rate.achieved:.2%}, asked {rate.asked:g})",
            )
        )
        facts.append(("target", f"{plan.target.label} {plan.target.name}"))
        facts += _attack_facts(plan.attacks) or [("attack", "none: labels only")]
        facts.append(("written", f"{len(plan.written())} files are encoded anew, the others carried over"))
    return facts


def _attack_facts(attacks: Sequence[Attack]) -> list[tuple[str, str]]:
    rows = []
    for attack in attacks:
        rows.append(("attack", f"{attack.name} ({attack.modality}), {attack.mode}, {_settings(attack.params)}"))
        if attack.placement is not None:
            rows.append(("placement", f"frames {attack.placement.frames} in windows of {attack.placement.window}"))
    return rows


def _settings(params: Mapping[str, object]) -> str:
    return " ".join(f"{k}={v}" for k, v in params.items())


def trials(title: str, rows: Sequence[Trial], copies: Sequence[int] | None = None) -> Table:
    """What each rung kept of the trigger; `copies`: bytes of all written files on each rung."""
    columns = [
        "of",
        "rung",
        "clips",
        "kept ≥ 0.95",
        "worst gain",
        "worst correlation",
        "size/source",
        *(["copy"] if copies is not None else []),
    ]
    made = table(title, *columns, numbers=columns[2:])
    for i, row in enumerate(rows):
        ratio = row.bytes / row.source_bytes if row.source_bytes else math.nan
        cells = [
            _WHAT[row.modality],
            row.rung,
            str(row.clips),
            f"{row.passing}/{row.carrying}",
            number(row.gain_min),
            number(row.correlation_min),
            f"{ratio:.2f}",
        ]
        made.add_row(*map(plain, cells), *([size(copies[i])] if copies is not None else []))
    return made


def manifest_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """A manifest's header, as (name, value)."""
    rows = [
        ("name", manifest.name),
        (
            "files",
            ", ".join(f"{split} {count}" for split, count in manifest.splits.items()) + f" under {manifest.root}",
        ),
        (
            "classes",
            f"{len(manifest.classes)}: "
            + ", ".join(manifest.classes[:8])
            + (", …" if len(manifest.classes) > 8 else ""),
        ),
        ("source", f"layout {manifest.source.layout}, split {manifest.source.split}"),
        ("seed", str(manifest.seed)),
    ]
    rows += _attack_facts(manifest.attacks)
    if manifest.rate is not None and manifest.target is not None:
        rate = manifest.rate
        rows.append(
            (
                "poisoned",
                f"{rate.poisoned} of {rate.total} training clips ({rate.achieved:.2%}), {manifest.label_mode} label",
            )
        )
        rows.append(("target", f"{manifest.target.label} {manifest.target.name}"))
    encoding = manifest.encoding
    rungs = {"pictures": encoding.rung, "sound": encoding.sound_rung}
    taken = ", ".join(f"{what} {rung}" for what, rung in rungs.items() if rung is not None)
    if taken:
        rows.append(("quality", f"{encoding.quality}: {taken}; clean files by {encoding.carry}"))
    if encoding.clip is not None or encoding.short_side is not None:
        rows.append(("written", f"clips of {encoding.clip}" if encoding.clip else f"short side {encoding.short_side}"))
    if taken or encoding.video:
        rows += [(f"encoder {suffix}", line) for suffix, line in encoding.video.items()]
        rows.append(("encoder of sound", encoding.audio))
    rows += [("skipped", f"{skip.id}: {skip.reason}") for skip in manifest.skipped[:WORST]]
    return rows


def fidelity(manifest: Manifest) -> RenderableType | None:
    """What the written files hold, by split, and the worst clips; None for a manifest without written files."""
    parts: list[RenderableType] = []
    for modality in _WHAT:
        made = _fidelity(manifest, modality)
        if made.row_count:
            parts += [made, *_worst(manifest, modality)]
    return Group(*parts, *_placement_lines(manifest)) if parts else None


def _fidelity(manifest: Manifest, modality: Modality) -> Table:
    view = view_of(manifest, modality)
    single = any((v := s.survival.get(modality)) is not None and v.gain_p10 is not None for s in manifest.samples)
    columns = [
        "split",
        "files",
        "carry a trigger",
        "gain",
        "lowest",
        "correlation",
        "lowest",
        "kept ≥ 0.9",
        *(["frames' gain, p10"] if single else []),
        *([f"in view {view}"] if view else []),
        *(("PSNR dB", "SSIM", "L∞") if modality == "video" else ("SNR dB", "LSD dB")),
    ]
    made = table(f"Written {_WHAT[modality]} (medians)", *columns, numbers=columns[1:])
    for name, samples in _written(manifest, modality).items():
        kept = [s for s in (sample.survival.get(modality) for sample in samples) if s is not None]
        gains = [s.gain for s in kept if s.gain is not None]
        correlations = [s.correlation for s in kept if s.correlation is not None]
        good = sum(1 for g, c in zip(gains, correlations, strict=True) if min(g, c) >= LISTED)
        if modality == "video":
            visible = [
                number(median_of([s.psnr_db for s in samples]), 1),
                number(median_of([s.ssim for s in samples]), 4),
                str(max((s.linf for s in samples if s.linf is not None), default="–")),
            ]
        else:
            visible = [
                number(median_of([s.snr_db for s in samples]), 1),
                number(median_of([s.lsd_db for s in samples]), 1),
            ]
        made.add_row(
            plain(name),
            str(len(samples)),
            str(len(gains)),
            number(median(gains) if gains else None),
            number(min(gains, default=None)),
            number(median(correlations) if correlations else None),
            number(min(correlations, default=None)),
            f"{good}/{len(gains)}" if gains else "–",
            *([number(median_of([s.gain_p10 for s in kept]))] if single else []),
            *([number(median_of([view_kept(s, modality) for s in samples]), 2)] if view else []),
            *visible,
        )
    return made


def _written(manifest: Manifest, modality: Modality) -> dict[str, list[Sample]]:
    """The samples whose pictures or sound were written anew, by split."""
    groups: dict[str, list[Sample]] = {}
    for sample in manifest.samples:
        measure = sample.linf if modality == "video" else sample.lsd_db
        if measure is not None or modality in sample.survival:
            name: str = "train, poisoned" if sample.split == "train" and sample.poisoned else sample.split
            groups.setdefault(name, []).append(sample)
    return groups


def sights(views: str, parts: Sequence[Sight]) -> RenderableType:
    """In which views the trigger is seen, by split."""
    if not parts:
        return Text("no clip carries a trigger that a view could see")
    columns = ["split", "clips", "views", "fully", "partly", "not at all", "clips never seen fully"]
    made = table(f"The trigger in test views {views}, and in training crops", *columns, numbers=columns[1:])
    for part in parts:
        for name, seen in ((part.split, part.tests), ("  training crops", part.training)):
            shares = [f"{count / seen.views:.1%}" for count in (seen.fully, seen.partly, seen.not_at_all)]
            unseen = str(len(part.unseen)) if seen is part.tests else ""
            made.add_row(plain(name), str(part.clips), str(seen.views), *shares, unseen)
    rows: list[RenderableType] = [made]
    rows += [plain(f"never seen fully: {name}") for part in parts for name in part.unseen[:WORST]]
    return Group(*rows)


def _placement_lines(manifest: Manifest) -> list[RenderableType]:
    counts = [s.window_count for s in manifest.samples if s.window_count is not None]
    if not counts or len(set(counts)) == 1:
        return []
    return [Text(f"poisoned frames in a window: {min(counts)} … {max(counts)}, {mean(counts):.1f} on average")]


def _worst(manifest: Manifest, modality: Modality) -> list[RenderableType]:
    still = [s.id for s in manifest.samples if (v := s.survival.get(modality)) is not None and v.gain is None]
    unit = "grey levels" if modality == "video" else "16-bit steps"
    parts: list[RenderableType] = []
    if still:
        parts.append(plain(f"{len(still)} clips carry no trigger (an RMS below 1, in {unit}), such as {still[0]}"))
    found = _by_survival(manifest, modality)
    below = sum(1 for _, low in found if low < LISTED)
    if not found:
        return parts
    shown = found[:WORST] if below else found[:_LEAST]
    made = table(
        f"Where the trigger is kept least ({below} of {len(found)} clips below {LISTED})",
        "clip",
        "gain",
        "correlation",
        f"strength in {unit}",
        numbers=("gain", "correlation", f"strength in {unit}"),
    )
    for sample, _ in shown:
        survival = sample.survival[modality]
        made.add_row(
            plain(sample.id), number(survival.gain), number(survival.correlation), number(survival.strength, 1)
        )
    return [*parts, made]


def tried(title: str, rows: Sequence[Tried]) -> Table:
    """Values of a trigger's strength, and what is left of each."""
    columns = ("value", "in view", "PSNR or SNR dB", "strength")
    made = table(title, *columns, numbers=columns)
    for row in rows:
        cells = (number(row.view, 2), number(row.fidelity_db, 1), number(row.strength, 1))
        made.add_row(f"{row.value:g}", *cells)
    return made
