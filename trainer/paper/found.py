"""Which runs a folder holds, told by their manifests and not by their names, so that any folder of runs will do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from trainer import compare, details, runs
from trainer.compare import Difference
from trainer.details import Details
from trainer.errors import RunError
from trainer.metrics import Figures, Share
from trainer.runs import ManifestStamp, Metrics

CLEAN, NONE = "clean", "none"
"""No attack at all; and the control whose clips are relabelled and encoded anew without a trigger."""

STANDARD_RATE = 0.1


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
    """One run: its folder, figures, and case; `details` are its manifest's."""

    folder: Path
    metrics: Metrics
    case: Case
    details: Details


def read(folder: Path) -> list[Found]:
    """The finished runs in a folder, by name; raises `RunError` when there are none."""
    made = [
        _found(path.parent) for path in sorted(folder.glob("*/metrics.json")) if (path.parent / "run.json").is_file()
    ]
    if not made:
        raise RunError(f"{folder} holds no finished run; give the folder above the runs with --runs")
    return made


def details_of(stamp: ManifestStamp) -> Details:
    """What a manifest tells; raises `ManifestError` when it is gone or damaged."""
    return details.read(Path(stamp.path))


def case_of(made: Details) -> Case:
    """The case that a manifest makes."""
    if made.rate is None:
        return Case(CLEAN)
    first = made.attacks[0] if made.attacks else None
    return Case(
        attack=" + ".join(attack.name for attack in made.attacks) or NONE,
        mode=first.mode if first else "",
        rate=made.rate.asked,
        frames=(first.placement.frames if first and first.placement else None) or "all",
        target=made.target.label if made.target else None,
        label_mode=made.label_mode or "dirty",
    )


def kept_in_view(found: Iterable[Found], what: str = "view_survival") -> float | None:
    """The median over triggered test clips of what a victim's view, or with `survival` the file, keeps."""
    values = [
        kept.least
        for run in found
        for clip in run.details.samples
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
    made = details_of(metrics.manifest)
    return Found(folder, metrics, case_of(made), made)
