"""Which runs a folder holds, told by their manifests and not by their names, so that any folder of runs will do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from trainer.errors import ManifestGoneError, RunError
from trainer.evaluation import compare
from trainer.evaluation.compare import Difference
from trainer.manifest import TRIGGERED
from trainer.manifest import attack_details as details
from trainer.manifest.attack_details import Details
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Metrics
from trainer.runs.metrics import Scores
from trainer.text import argument

CLEAN, NONE = "clean", "none"
"""No attack at all; and the control whose clips are relabelled and re-encoded without a trigger."""

STANDARD_RATE = 0.1

_NAMED = 3
"""Runs without their manifest that are named; a folder that was moved may have dozens."""


@dataclass(frozen=True)
class Case:
    """What was done to the data set, apart from seed and split; `attack`: `clean`, `none`, or the triggers' names.

    `params`: the triggers' parameters as text.
    """

    attack: str
    mode: str = ""
    rate: float | None = None
    rate_of: str = "all"
    frames: str = "all"
    target: int | None = None
    label_mode: str = "dirty"
    params: str = ""

    @property
    def is_standard(self) -> bool:
        """As in the paper's tables: a tenth of all poisoned on all frames with dirty labels, or none."""
        asked = (self.rate, self.rate_of, self.frames, self.label_mode)
        return self.attack == CLEAN or (asked == (STANDARD_RATE, "all", "all", "dirty") and self.attack != NONE)


@dataclass(frozen=True)
class Found:
    """One run: its folder, figures, and case; `details` are its manifest's."""

    folder: Path
    metrics: Metrics
    case: Case
    details: Details

    @property
    def victim(self) -> tuple[object, ...]:
        """What two runs must have in common to be compared: the victim, how it is tested, and on which classes."""
        m = self.metrics
        return (m.model, m.preset, m.weights, m.views, tuple(self.details.classes))

    @property
    def draw(self) -> tuple[int, str]:
        """Seed and official split."""
        return self.metrics.seed, str((self.details.source or {}).get("split"))


def read(folder: Path) -> list[Found]:
    """The finished runs in a folder, by name; raises `RunError` when there are none.

    A run whose manifest is gone is left out, and said to be.
    """
    made: list[Found] = []
    lost: dict[Path, ManifestStamp] = {}
    for path in sorted(folder.glob("*/metrics.json")):
        if (path.parent / "run.json").is_file():
            metrics = runs.read_metrics(path.parent)
            try:
                told = details_of(metrics.manifest)
            except ManifestGoneError:
                lost[path.parent] = metrics.manifest
            else:
                made.append(Found(path.parent, metrics, case_of(told), told))
    if lost and not made:
        raise RunError(f"{folder} holds no run with its manifest: {_lost(lost)}", _PUT_BACK)
    if not made:
        raise RunError(f"{folder} holds no finished run", f"give the folder above the runs with {argument('runs')}")
    say_left_out(lost)
    return made


_PUT_BACK = "put the manifest back there, or move the run elsewhere"


def say_left_out(lost: Mapping[Path, ManifestStamp]) -> None:
    """Say on stderr which runs are left out since their manifests are gone; nothing for none."""
    if lost:
        runs_left_out = f"{len(lost)} run{'s' if len(lost) > 1 else ''} left out, without manifest"
        Progress().say(f"note: {runs_left_out}: {_lost(lost)}; {_PUT_BACK}")


def _lost(lost: Mapping[Path, ManifestStamp]) -> str:
    """The runs and the manifests that they lack, a few by name."""
    named = [f"{run} lacks {stamp.path}" for run, stamp in list(lost.items())[:_NAMED]]
    if len(lost) > _NAMED:
        named.append(f"… ({len(lost)} in all)")
    return ", ".join(named)


def standard(every: Sequence[Found], model: str, attack: str, mode: str) -> list[Found]:
    """The runs of one row of the paper's tables: the target is the lowest that the folder holds, others are controls.

    Raises `RunError` when they are not one case with different seeds or splits.
    """
    targets = [run.case.target for run in every if run.case.target is not None]
    made = [
        run
        for run in every
        if (run.metrics.model, run.case.attack) == (model, attack)
        and run.case.is_standard
        and run.case.mode in ("", mode)
        and run.case.target in (None, min(targets, default=None))
    ]
    check_alike(made)
    return made


def check_alike(made: Sequence[Found]) -> None:
    """Raise `RunError` for runs that cannot be pooled: of other victims, data sets or triggers, or of one draw."""
    for run in made[1:]:
        if (run.victim, run.case) != (made[0].victim, made[0].case):
            raise RunError(
                f"{made[0].folder} and {run.folder} are of one attack but of other victims, data sets or trigger "
                "parameters",
                "keep them in folders of their own",
            )
    draws: dict[tuple[int, str], Found] = {}
    for run in made:
        if run.draw in draws:
            raise RunError(
                f"{draws[run.draw].folder} and {run.folder} are one case with one seed and split", "keep one of them"
            )
        draws[run.draw] = run


def details_of(stamp: ManifestStamp) -> Details:
    """What a manifest tells; raises `RunError` when it is another one by now, `ManifestGoneError` when it is gone."""
    made, sha256 = details.read_with_hash(Path(stamp.path))
    if sha256 != stamp.sha256:
        raise RunError(
            f"{stamp.path} has changed since a run was made from it", "put the old one back, or move the run elsewhere"
        )
    return made


def case_of(made: Details) -> Case:
    """The case that a manifest makes."""
    if made.rate is None:
        return Case(CLEAN)
    first = made.attacks[0] if made.attacks else None
    return Case(
        attack=" + ".join(attack.name for attack in made.attacks) or NONE,
        mode=first.mode if first else "",
        rate=made.rate.asked,
        rate_of=made.rate.of or "all",
        frames=(first.placement.frames if first and first.placement else None) or "all",
        target=made.target.label if made.target else None,
        label_mode=made.label_mode or "dirty",
        params=str([sorted(attack.params.items()) for attack in made.attacks]),
    )


def kept_in_view(found: Iterable[Found]) -> float | None:
    """The median over triggered test clips of what a victim's view keeps."""
    return details.in_view(clip for run in found for clip in run.details.samples if clip.split == TRIGGERED)


def kept_in_file(found: Iterable[Found]) -> float | None:
    """The same of the written file."""
    clips = [clip for run in found for clip in run.details.samples if clip.split == TRIGGERED]
    values = [kept.least for clip in clips for kept in clip.survival.values() if kept.least is not None]
    return median(values) if values else None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One case with all its controls, seeds pooled.

    `asr_clean_model`: the ASR of victims that never saw the trigger, on the same triggered clips. `cda_difference`: to
    the clean victim of the same seed, paired by clip. `kept` and `in_view`: median fraction of the trigger in the files
    and in the victims' view.
    """

    model: str
    case: str
    mode: str
    figures: Scores
    cda_difference: Difference | None
    asr_clean_model: Proportion | None
    kept: float | None
    in_view: float | None
    rate: float | None
    target: int | None
    frames: str
    label_mode: str
    seeds: list[int]
    runs: list[str]

    @property
    def floors(self) -> list[Proportion]:
        """What lies under the ASR, as far as it was measured."""
        known = (self.figures.false_target, self.figures.sham_asr, self.asr_clean_model)
        return [proportion for proportion in known if proportion is not None]


def row(found: Sequence[Found], every: Sequence[Found]) -> Row:
    """Pool the runs of one case, each beside the clean victim of its model and seed among `every` run."""
    model, case = found[0].metrics.model, found[0].case
    clean = {(run.victim, run.draw): run for run in every if run.case.attack == CLEAN}
    pairs = [(run, base) for run in found if (base := clean.get((run.victim, run.draw))) and case.attack != CLEAN]
    difference = None
    if pairs:
        difference = compare.compare([a.folder for a, _ in pairs], [b.folder for _, b in pairs]).cda_difference
    scored = [path for run, base in pairs if (path := asr_on(base, run.metrics.manifest))]
    return Row(
        model=model,
        case=case.attack,
        mode=case.mode,
        figures=compare.pool([run.folder for run in found]).figures,
        cda_difference=difference,
        asr_clean_model=compare.pool(scored).figures.asr if scored else None,
        kept=kept_in_file(found),
        in_view=kept_in_view(found),
        rate=case.rate,
        target=case.target,
        frames=case.frames,
        label_mode=case.label_mode,
        seeds=[run.metrics.seed for run in found],
        runs=[str(run.folder) for run in found],
    )


def asr_on(run: Found, manifest: ManifestStamp) -> Path | None:
    """The folder with a run's figures on a manifest's clips in the run's views: its own, or an evaluation."""
    if run.metrics.manifest.sha256 == manifest.sha256:
        return run.folder
    return evaluation(run.folder, manifest, run.metrics.views)


def evaluation(folder: Path, manifest: ManifestStamp, views: str) -> Path | None:
    """The folder of a run's or a fused model's evaluation on another manifest's clips."""
    for path in sorted(folder.glob("evaluations/*/metrics.json")):
        scored = runs.read_metrics(path.parent)
        if (scored.manifest.sha256, scored.views) == (manifest.sha256, views):
            return path.parent
    return None
