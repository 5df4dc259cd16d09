"""Tables for people: what a trigger takes, what a plan will do, what a manifest holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, median

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poisonkit.manifest import Manifest, Sample, Trial
from poisonkit.plan import Plan
from poisonkit.quality import LISTED
from poisonkit.triggers import Trigger
from poisonkit.triggers._base import allowed
from poisonkit.views import Sight

WORST = 10
"""Clips listed one by one."""


def table(title: str, *columns: str, numbers: Sequence[str] = ()) -> Table:
    """A plain table; `numbers` are right-aligned columns."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def trigger_list(triggers: dict[str, type[Trigger]]) -> Table:
    """One line a trigger."""
    made = table("Attacks", "name", "modality", "what it does", "source")
    for name, kind in triggers.items():
        made.add_row(name, kind.modality, _first_sentence(kind), kind.source)
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
        made.add_row(field.name, str(field.default), allowed(field), field.metadata["unit"], field.metadata["help"])
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
        attack = plan.attack
        facts.append(
            (
                "attack",
                "none: labels only" if attack is None else f"{attack.name}, {attack.mode}, {_settings(attack.params)}",
            )
        )
        if attack is not None:
            facts.append(("placement", f"frames {attack.placement.frames} in windows of {attack.placement.window}"))
        facts.append(("written", f"{len(plan.written())} files are encoded anew, the others carried over"))
    return facts


def _settings(params: Mapping[str, object]) -> str:
    return " ".join(f"{k}={v}" for k, v in params.items())


def facts(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    """Names and values."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, show_header=False, pad_edge=False)
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for name, value in rows:
        made.add_row(name, Text(value))
    return made


def trials(title: str, rows: Sequence[Trial], scale: float | None = None) -> Table:
    """What each rung kept of the trigger; with `scale` source bytes, also the size of the whole copy."""
    columns = [
        "rung",
        "clips",
        "kept ≥ 0.95",
        "worst gain",
        "worst correlation",
        "size/source",
        *(["copy"] if scale is not None else []),
    ]
    made = table(title, *columns, numbers=columns[1:])
    for row in rows:
        ratio = row.bytes / row.source_bytes if row.source_bytes else math.nan
        passing = f"{row.passing}/{row.carrying}"
        cells = [
            row.rung,
            str(row.clips),
            passing,
            number(row.gain_min),
            number(row.correlation_min),
            f"{ratio:.2f}",
        ]
        made.add_row(*cells, *([size(scale * ratio)] if scale is not None else []))
    return made


def size(count: float) -> str:
    """Bytes for people, in powers of 1,000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count:.0f} bytes"


def number(value: float | None, digits: int = 3) -> str:
    """A number, or a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


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
    for attack in manifest.attacks:
        rows.append(("attack", f"{attack.name} ({attack.modality}), {attack.mode}, {_settings(attack.params)}"))
        rows.append(("placement", f"frames {attack.placement.frames} in windows of {attack.placement.window}"))
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
    if encoding.rung is not None:
        rows.append(("quality", f"{encoding.quality}, rung {encoding.rung}; clean files by {encoding.carry}"))
        rows += [(f"encoder {suffix}", line) for suffix, line in encoding.video.items()]
    rows += [("skipped", f"{skip.id}: {skip.reason}") for skip in manifest.skipped[:WORST]]
    return rows


def fidelity(manifest: Manifest) -> RenderableType | None:
    """What the written files hold, by split, and the worst clips; None for a manifest without written files."""
    columns = [
        "split",
        "files",
        "carry a trigger",
        "gain",
        "lowest",
        "correlation",
        "lowest",
        "kept ≥ 0.9",
        f"in view {view_of(manifest)}",
        "PSNR dB",
        "SSIM",
        "L∞",
    ]
    made = table("Written files (medians)", *columns, numbers=columns[1:])
    groups: dict[str, list[Sample]] = {}
    for sample in manifest.samples:
        if sample.linf is not None:
            name: str = "train, poisoned" if sample.split == "train" and sample.poisoned else sample.split
            groups.setdefault(name, []).append(sample)
    for name, samples in groups.items():
        kept = [s for s in (sample.survival.get("video") for sample in samples) if s is not None and s.gain is not None]
        gains = [s.gain for s in kept if s.gain is not None]
        correlations = [s.correlation for s in kept if s.correlation is not None]
        good = sum(1 for g, c in zip(gains, correlations, strict=True) if min(g, c) >= LISTED)
        made.add_row(
            name,
            str(len(samples)),
            str(len(kept)),
            number(median(gains) if gains else None),
            number(min(gains, default=None)),
            number(median(correlations) if correlations else None),
            number(min(correlations, default=None)),
            f"{good}/{len(gains)}" if gains else "–",
            number(_median([view_kept(s) for s in samples]), 2),
            number(_median([s.psnr_db for s in samples]), 1),
            number(_median([s.ssim for s in samples]), 4),
            str(max(s.linf for s in samples if s.linf is not None)),
        )
    if not groups:
        return None
    return Group(made, *_placement_lines(manifest), *_worst(manifest))


def view_of(manifest: Manifest) -> str:
    """The victim's input for which view survival was measured, as in 256/224; empty where it was not."""
    return next((seen.view for sample in manifest.samples for seen in sample.view_survival.values()), "")


def view_kept(sample: Sample) -> float | None:
    """The lower of energy and correlation that the victim's input keeps; None where there is no trigger."""
    seen = sample.view_survival.get("video")
    if seen is None or seen.energy is None or seen.correlation is None:
        return None
    return min(seen.energy, seen.correlation)


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
            made.add_row(name, str(part.clips), str(seen.views), *shares, unseen)
    rows: list[RenderableType] = [made]
    rows += [Text(f"never seen fully: {name}") for part in parts for name in part.unseen[:WORST]]
    return Group(*rows)


def _median(values: Sequence[float | None]) -> float | None:
    known = [v for v in values if v is not None]
    return median(known) if known else None


def _placement_lines(manifest: Manifest) -> list[RenderableType]:
    counts = [s.window_count for s in manifest.samples if s.window_count is not None]
    if not counts or len(set(counts)) == 1:
        return []
    return [Text(f"poisoned frames in a window: {min(counts)} … {max(counts)}, {mean(counts):.1f} on average")]


def lacking(manifest: Manifest) -> list[tuple[Sample, float]]:
    """Triggered clips whose gain or correlation is below 0.9, the worst first, with the lower of the two."""
    found = []
    for sample in manifest.samples:
        survival = sample.survival.get("video")
        if survival is not None and survival.gain is not None and survival.correlation is not None:
            low = min(survival.gain, survival.correlation)
            if low < LISTED:
                found.append((sample, low))
    return sorted(found, key=lambda pair: (pair[1], pair[0].id))


def _worst(manifest: Manifest) -> list[RenderableType]:
    still = [s.id for s in manifest.samples if (v := s.survival.get("video")) is not None and v.gain is None]
    parts: list[RenderableType] = []
    if still:
        parts.append(
            Text(f"{len(still)} clips carry no trigger (it changes them by less than 1 grey level), such as {still[0]}")
        )
    found = lacking(manifest)
    if not found:
        return parts
    made = table(
        f"Trigger kept below {LISTED} ({len(found)} clips, worst first)",
        "clip",
        "gain",
        "correlation",
        "strength",
    )
    for sample, _ in found[:WORST]:
        survival = sample.survival["video"]
        made.add_row(sample.id, number(survival.gain), number(survival.correlation), number(survival.strength, 1))
    return [*parts, made]
