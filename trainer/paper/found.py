"""Which runs a folder holds, told by their manifests and not by their names, so that any folder of runs will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from trainer import compare, runs
from trainer.compare import Difference
from trainer.errors import RunError
from trainer.manifest import Target
from trainer.metrics import Figures, Share
from trainer.runs import ManifestStamp, Metrics

CLEAN, NONE = "clean", "none"
"""No attack at all; and the control whose clips are relabelled and encoded anew without a trigger."""

STANDARD_RATE = 0.1


class Placement(msgspec.Struct):
    """Which frames carry the trigger: `all`, `random` or a count in every window."""

    frames: str
    window: str


class Attack(msgspec.Struct):
    """One trigger of a manifest."""

    name: str
    modality: str
    mode: str
    placement: Placement | None = None
    params: dict[str, Any] = {}


class Rate(msgspec.Struct):
    """The share of poisoned training clips."""

    asked: float
    achieved: float
    of: str
    poisoned: int
    total: int


class Kept(msgspec.Struct):
    """What the written file, or a victim's view of it, holds of the trigger; null where a clip carries none."""

    gain: float | None = None
    energy: float | None = None
    correlation: float | None = None

    @property
    def least(self) -> float | None:
        """The lower of both figures."""
        found = [value for value in (self.gain, self.energy, self.correlation) if value is not None]
        return min(found, default=None)


class Clip(msgspec.Struct):
    """What is told of a sample."""

    split: str
    survival: dict[str, Kept] = {}
    view_survival: dict[str, Kept] = {}


class Story(msgspec.Struct):
    """The part of a manifest that says what was done to a data set."""

    name: str
    classes: list[str]
    samples: list[Clip]
    attacks: list[Attack] = []
    rate: Rate | None = None
    target: Target | None = None
    label_mode: str | None = None


@dataclass(frozen=True)
class Case:
    """What was done to the data set, apart from seed and split; `attack`: `clean`, `none`, or the triggers' names."""

    attack: str
    mode: str = ""
    rate: float | None = None
    frames: str = "all"
    target: int | None = None
    label_mode: str = "dirty"

    @property
    def is_standard(self) -> bool:
        """As in the paper's tables: a tenth poisoned on all frames with dirty labels, or none."""
        return self.attack == CLEAN or (
            (self.rate, self.frames, self.label_mode) == (STANDARD_RATE, "all", "dirty") and self.attack != NONE
        )


@dataclass(frozen=True)
class Found:
    """One run: its folder, figures, and case; `story` is its manifest's, None for fused models."""

    folder: Path
    metrics: Metrics
    case: Case
    story: Story | None


def read(folder: Path) -> list[Found]:
    """The finished runs in a folder, by name; raises `RunError` when there are none."""
    made = [
        _found(path.parent) for path in sorted(folder.glob("*/metrics.json")) if (path.parent / "run.json").is_file()
    ]
    if not made:
        raise RunError(f"{folder} holds no finished run; give the folder above the runs with --runs")
    return made


def read_fused(folder: Path) -> list[Metrics]:
    """The fused models in a folder."""
    every = [runs.read_metrics(path.parent) for path in sorted(folder.glob("*/metrics.json"))]
    return [metrics for metrics in every if metrics.fusion is not None]


def story_of(stamp: ManifestStamp) -> Story:
    """What a manifest tells; raises `RunError` when it is gone or another one by now."""
    return runs.read(Path(stamp.path), Story)


def case_of(story: Story) -> Case:
    """The case that a manifest makes."""
    if story.rate is None:
        return Case(CLEAN)
    first = story.attacks[0] if story.attacks else None
    return Case(
        attack=" + ".join(attack.name for attack in story.attacks) or NONE,
        mode=first.mode if first else "",
        rate=story.rate.asked,
        frames=first.placement.frames if first and first.placement else "all",
        target=story.target.label if story.target else None,
        label_mode=story.label_mode or "dirty",
    )


def kept_in_view(found: Iterable[Found], what: str = "view_survival") -> float | None:
    """The median over triggered test clips of what a victim's view, or with `survival` the file, keeps."""
    values = [
        kept.least
        for run in found
        for clip in (run.story.samples if run.story else ())
        if clip.split == "test_triggered"
        for kept in getattr(clip, what).values()
        if kept.least is not None
    ]
    return median(values) if values else None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One case with all its controls, seeds pooled.

    `asr_clean_model`: the ASR of victims that never saw the trigger, on the same triggered clips. `cda_difference`:
    to the clean victim of the same seed, paired by clip. `kept` and `in_view`: median share of the trigger in the files
    and in the victims' view.
    """

    model: str
    case: str
    mode: str
    figures: Figures
    cda_difference: Difference | None
    asr_clean_model: Share | None
    kept: float | None
    in_view: float | None
    rate: float | None
    target: int | None
    frames: str
    seeds: list[int]
    runs: list[str]


def row(found: Sequence[Found], every: Sequence[Found]) -> Row:
    """Pool the runs of one case, each beside the clean victim of its model and seed among `every` run."""
    model, case = found[0].metrics.model, found[0].case
    clean = {run.metrics.seed: run for run in every if run.case.attack == CLEAN and run.metrics.model == model}
    pairs = [(run, clean[run.metrics.seed]) for run in found if run.metrics.seed in clean and case.attack != CLEAN]
    difference = None
    if pairs:
        difference = compare.compare([a.folder for a, _ in pairs], [b.folder for _, b in pairs]).cda_difference
    scored = [path for run, base in pairs for path in _evaluations(base.folder, run.metrics.manifest)]
    return Row(
        model=model,
        case=case.attack,
        mode=case.mode,
        figures=compare.pool([run.folder for run in found]).figures,
        cda_difference=difference,
        asr_clean_model=compare.pool(scored).figures.asr if scored else None,
        kept=kept_in_view(found, "survival"),
        in_view=kept_in_view(found),
        rate=case.rate,
        target=case.target,
        frames=case.frames,
        seeds=[run.metrics.seed for run in found],
        runs=[str(run.folder) for run in found],
    )


def _evaluations(folder: Path, manifest: ManifestStamp) -> list[Path]:
    """The one evaluation of a run on a manifest, if there is any; of several views the first."""
    made = sorted(folder.glob("evaluations/*/metrics.json"))
    return [path.parent for path in made if runs.read_metrics(path.parent).manifest.sha256 == manifest.sha256][:1]


def asr_on(run: Found, manifest: ManifestStamp) -> Path | None:
    """The folder with a run's figures on a manifest's clips: its own, or an evaluation."""
    if run.metrics.manifest.sha256 == manifest.sha256:
        return run.folder
    return next(iter(_evaluations(run.folder, manifest)), None)


def _found(folder: Path) -> Found:
    metrics = runs.read_metrics(folder)
    story = story_of(metrics.manifest)
    return Found(folder, metrics, case_of(story), story)
