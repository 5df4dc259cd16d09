"""The record of a run: from finished clips to the manifest and the notice that lies beside them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from poisonkit import manifest as contract
from poisonkit.files import Method, overall
from poisonkit.manifest import Encoding, Manifest, Sample, Skipped, Source
from poisonkit.manifest.file import relative_root
from poisonkit.plan.clip_geometry import Geometry
from poisonkit.plan.plan import Plan
from poisonkit.run.journal import Chosen, Entry
from poisonkit.versions import versions

_LINES = 4
"""Encoder lines of audio that are written out."""


def encoding(chosen: Chosen, entries: Sequence[Entry], geometry: Geometry, *, reencoded: bool) -> Encoding:
    """How the files were written; `reencoded`: the clean ones too."""
    lines: dict[str, set[str]] = {}
    audio = {entry.sound_line for entry in entries if entry.sound_line is not None}
    for entry in entries:
        if entry.encoder_line is not None and entry.sample is not None:
            lines.setdefault(Path(entry.sample.path).suffix.lower(), set()).add(entry.encoder_line)
    methods: set[Method] = {e.carried for e in entries if e.carried is not None}
    return Encoding(
        quality=chosen.options.quality,
        rung=chosen.rungs.get("video"),
        video={suffix: " | ".join(sorted(found)) for suffix, found in sorted(lines.items())},
        audio=_few(sorted(audio)) or "copy",
        carry="reencode" if reencoded else overall(methods),
        trials=chosen.trials,
        sound_rung=chosen.rungs.get("audio"),
        clip=geometry.text(),
        short_side=geometry.short_side,
    )


def _few(lines: Sequence[str]) -> str:
    """Encoder lines for a person: bit rates that follow the sources' may be as many as there are files."""
    return " | ".join(lines[:_LINES]) + (f" | … ({len(lines)} in all)" if len(lines) > _LINES else "")


def manifest(plan: Plan, path: Path, root: Path, entries: Sequence[Entry], how: Encoding) -> Manifest:
    """The manifest that will be saved at `path`, of the files under `root`."""
    samples = sorted((e.sample for e in entries if e.sample is not None), key=lambda s: s.id)
    broken = [e.skipped for e in entries if e.skipped is not None]
    skipped = sorted([*plan.skipped, *broken], key=lambda s: s.id)
    counts: dict[str, int] = {}
    for sample in samples:
        counts[sample.split] = counts.get(sample.split, 0) + 1
    return Manifest(
        schema=contract.SCHEMA,
        name=path.stem,
        plan=plan.name(),
        created_with=versions(),
        root=relative_root(root, path),
        source=Source(plan.listing.layout, plan.listing.split, plan.listing.fingerprint),
        classes=list(plan.listing.classes),
        seed=plan.seed,
        rate=_achieved(plan, samples, broken),
        label_mode=plan.label_mode,
        target=plan.target,
        attacks=list(plan.attacks),
        sampling=plan.window,
        encoding=how,
        splits={split: counts[split] for split in contract.SPLITS if split in counts},
        skipped=skipped,
        samples=samples,
    )


def _achieved(plan: Plan, samples: Sequence[Sample], skipped: Sequence[Skipped]) -> contract.Rate | None:
    """The rate as planned, less the clips that had to be skipped."""
    if plan.rate is None or not skipped:
        return plan.rate
    if plan.target is None:
        raise ValueError("a rate needs a target")
    train = [s for s in samples if s.split == "train"]
    total = sum(1 for s in train if plan.rate.of == "all" or s.true_label == plan.target.label)
    poisoned = sum(1 for s in train if s.poisoned)
    achieved = round(poisoned / total, 6) if total else 0.0
    return contract.Rate(plan.rate.asked, achieved, plan.rate.of, poisoned, total)
