"""Tables of what the written files hold of a trigger, and of the views that see it. Figures: `fidelity`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from poisonkit.cli.table_layout import number, plain, table
from poisonkit.fidelity import summary
from poisonkit.fidelity.summary import SplitFidelity
from poisonkit.fidelity.visibility import Sight
from poisonkit.manifest import Manifest, Modality, Sample

WORST = 10
"""Clips listed one by one."""
_LEAST = 3
"""Clips listed where nothing is wrong with any."""
_MODALITIES: tuple[Modality, ...] = ("video", "audio")
_UNIT: dict[Modality, str] = {"video": "grey levels", "audio": "16-bit steps"}

_Column = tuple[str, Callable[[SplitFidelity], str]]
"""A head, and what stands below it."""

_SURVIVAL: list[_Column] = [
    ("files", lambda s: str(s.files)),
    ("carry a trigger", lambda s: str(s.carrying)),
    ("gain", lambda s: number(s.gain)),
    ("lowest", lambda s: number(s.gain_lowest)),
    ("correlation", lambda s: number(s.correlation)),
    ("lowest", lambda s: number(s.correlation_lowest)),
    (f"kept ≥ {summary.LISTED:g}", lambda s: f"{s.kept}/{s.carrying}" if s.carrying else "–"),
]
_VISIBILITY: dict[Modality, list[_Column]] = {
    "video": [
        ("PSNR dB", lambda s: number(s.psnr_db, 1)),
        ("SSIM", lambda s: number(s.ssim, 4)),
        ("L∞", lambda s: "–" if s.linf is None else str(s.linf)),
    ],
    "audio": [
        ("SNR dB", lambda s: number(s.snr_db, 1)),
        ("LSD dB", lambda s: number(s.lsd_db, 1)),
    ],
}


def fidelity(manifest: Manifest) -> RenderableType | None:
    """What the written files hold, by split, and the worst clips; None for a manifest without written files."""
    parts: list[RenderableType] = []
    for modality in _MODALITIES:
        if groups := summary.written(manifest, modality):
            parts += [_by_split(manifest, modality, groups), *_worst(manifest, modality)]
    return Group(*parts, *_placement_lines(manifest)) if parts else None


def _by_split(manifest: Manifest, modality: Modality, groups: dict[str, list[Sample]]) -> Table:
    found = {name: summary.split_fidelity(samples, modality) for name, samples in groups.items()}
    columns = list(_SURVIVAL)
    if any(split.gain_p10 is not None for split in found.values()):
        columns.append(("frames' gain, p10", lambda s: number(s.gain_p10)))
    if view := summary.view_of(manifest, modality):
        columns.append((f"in view {view}", lambda s: number(s.view, 2)))
    columns += _VISIBILITY[modality]
    heads = [head for head, _ in columns]
    made = table(f"Written {modality} (medians)", "split", *heads, numbers=heads)
    for name, split in found.items():
        made.add_row(plain(name), *(cell(split) for _, cell in columns))
    return made


def _worst(manifest: Manifest, modality: Modality) -> list[RenderableType]:
    """How many clips carry no trigger, and a table of those that keep least of it."""
    unit = _UNIT[modality]
    parts: list[RenderableType] = []
    if still := summary.without_trigger(manifest, modality):
        parts.append(plain(f"{len(still)} clips carry no trigger (an RMS below 1, in {unit}), such as {still[0]}"))
    found = summary.least_kept(manifest, modality)
    if not found:
        return parts
    below = sum(1 for _, low in found if low < summary.LISTED)
    heads = ("gain", "correlation", f"strength in {unit}")
    title = f"Where the trigger is kept least ({below} of {len(found)} clips below {summary.LISTED})"
    made = table(title, "clip", *heads, numbers=heads)
    for sample, _ in found[: WORST if below else _LEAST]:
        left = sample.survival[modality]
        made.add_row(plain(sample.id), number(left.gain), number(left.correlation), number(left.strength, 1))
    return [*parts, made]


def _placement_lines(manifest: Manifest) -> list[RenderableType]:
    counts = [s.window_count for s in manifest.samples if s.window_count is not None]
    if not counts or len(set(counts)) == 1:
        return []
    return [Text(f"poisoned frames in a window: {min(counts)} … {max(counts)}, {mean(counts):.1f} on average")]


def sights(views: str, parts: Sequence[Sight]) -> RenderableType:
    """In which views the trigger is seen, by split."""
    if not parts:
        return Text("no clip carries a trigger that a view could see")
    columns = ["split", "clips", "views", "fully", "partly", "not at all", "clips never seen fully"]
    made = table(f"The trigger in test views {views}, and in training crops", *columns, numbers=columns[1:])
    for part in parts:
        for name, seen in ((part.split, part.tests), ("  training crops", part.training)):
            rates = [f"{count / seen.views:.1%}" for count in (seen.fully, seen.partly, seen.not_at_all)]
            unseen = str(len(part.unseen)) if seen is part.tests else ""
            made.add_row(plain(name), str(part.clips), str(seen.views), *rates, unseen)
    rows: list[RenderableType] = [made]
    rows += [plain(f"never seen fully: {name}") for part in parts for name in part.unseen[:WORST]]
    return Group(*rows)
