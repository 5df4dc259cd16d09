"""The page: everything that it shows, gathered, and written as one file that asks for nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from trainer import files
from trainer.defenses._outcome import Outcome
from trainer.errors import ClipError, RunError, TrainerError
from trainer.evaluation.grad_cam import Explanation
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.report import commands, comparing, drawings, fidelity, gallery, media, reading
from trainer.report.commands import Start
from trainer.report.comparing import Beside
from trainer.report.fidelity import Measure
from trainer.report.gallery import Picture, Shown
from trainer.report.media import Budget
from trainer.report.reading import Run, Source
from trainer.runs.metrics import NAMES
from trainer.text import argument

MEDIA_BYTES = 4_000_000
"""What pictures, videos and audio of a page take at most, as text in the page."""
CLIPS = 2
"""Clips that are shown of each manifest."""

MEANINGS = {
    "cda": "clean test clips given their true class",
    "asr": "triggered clips of other classes classified as the target",
    "asr_all": "all triggered clips, the target's own too, classified as the target",
    "ra": "triggered clips of other classes still given their true class",
    "false_target": "clean clips of other classes classified as the target: a floor under ASR",
    "sham_asr": "the same clips only encoded again, without the trigger: a floor under ASR",
}
CLEAN_MODEL = "the same triggered clips, classified as the target by the baseline: a floor under ASR"


@dataclass(frozen=True)
class ReportOptions:
    """What `trainer report` was asked for."""

    runs: Sequence[Path]
    out: Path
    clips: int = CLIPS


class Report(msgspec.Struct, frozen=True):
    """What was written: the page, its size in bytes, and the runs that it shows."""

    page: str
    bytes: int
    runs: list[str]


@dataclass(frozen=True)
class Clips:
    """What is shown of one manifest; `shown_in`: the anchor of the chapter that shows it already."""

    source: Source
    shown: list[Shown]
    fidelity: list[Measure]
    warnings: list[str]
    shown_in: str = ""


@dataclass(frozen=True)
class Defense:
    """An outcome and its drawings."""

    outcome: Outcome
    curve: Markup | None
    scores: Markup | None


@dataclass(frozen=True)
class Saliency:
    """A picture of `trainer explain` and what it shows; `picture` is None where it does not fit or is gone."""

    explanation: Explanation
    picture: Picture | None


@dataclass(frozen=True)
class Chapter:
    """All about one run."""

    anchor: str
    run: Run
    beside: Beside | None
    warnings: list[str]
    clips: list[Clips]
    figures: Markup | None
    classes: Markup | None
    curves: list[tuple[str, Markup]]
    defenses: list[Defense]
    saliency: list[Saliency]
    commands: list[str]
    start: Start | None


def report(options: ReportOptions, progress: Progress) -> Report:
    """Write a page about finished runs; raises `RunError` for a folder that holds none, before anything is written."""
    if options.clips < 0:
        raise TrainerError(f"{argument('clips')} is {options.clips}, but must be 0 or more", "0 shows none")
    folders = list(dict.fromkeys(folder.resolve() for folder in options.runs))
    if options.out.is_dir():
        raise RunError(
            f"{options.out} is a folder", f"give the name of a file, such as report.html, with {argument('out')}"
        )
    given = _named_apart([reading.read(_near(folder)) for folder in folders])
    pairs = {str(run.folder): found for run in given if (found := comparing.beside(run, given))}
    budget, needs = Budget(MEDIA_BYTES), _needs(given)
    shown: dict[tuple[str, str], str] = {}
    chapters = []
    with progress.stage("reporting", len(given), "runs") as step:
        for number, run in enumerate(given):
            part = Budget(budget.left * needs[number] // max(sum(needs[number:]), 1))
            before = part.left
            chapters.append(_chapter(f"run-{number + 1}", run, pairs.get(str(run.folder)), part, shown, options.clips))
            budget.left -= before - part.left
            step()
    content = render(chapters, comparing.groups(given, pairs)).encode()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    files.write(options.out, content)
    return Report(str(options.out), len(content), [str(run.folder) for run in given])


def _named_apart(given: Sequence[Run]) -> list[Run]:
    """Runs in folders of equal names are called by their paths."""
    names = Counter(run.name for run in given)
    return [replace(run, name=str(run.folder)) if names[run.name] > 1 else run for run in given]


def _needs(given: Sequence[Run]) -> list[int]:
    """How many parts of the budget each run wants: one for each attacked manifest that is new, one for saliency."""
    seen: set[tuple[str, str]] = set()
    needs = []
    for run in given:
        attacked = {(s.modality, s.stamp.sha256) for s in run.sources if s.manifest and s.manifest.target}
        needs.append(len(attacked - seen) + (run.explanations is not None))
        seen |= attacked
    return needs


def _near(folder: Path) -> Path:
    """A folder as a person would write it: relative where it lies under the working one."""
    here = Path.cwd()
    return folder.relative_to(here) if folder.is_relative_to(here) and folder != here else folder


def _chapter(
    anchor: str, run: Run, pair: Beside | None, budget: Budget, shown: dict[tuple[str, str], str], clips: int
) -> Chapter:
    values = {name: getattr(run.metrics, field) for field, name in NAMES.items()}
    if pair is not None:
        values["clean model's ASR"] = pair.asr_clean_model
    several = sum(value is not None for value in values.values()) > 1
    return Chapter(
        anchor=anchor,
        run=run,
        beside=pair,
        warnings=comparing.not_above_floors(run, pair),
        clips=[_clips(anchor, source, budget, shown, clips) for source in run.sources],
        figures=drawings.proportions(values, "fraction of clips", f"figures of {run.name} with intervals")
        if several
        else None,
        classes=drawings.proportions(
            run.metrics.per_class, "fraction of clean test clips", f"accuracy of {run.name} on each class"
        ),
        curves=drawings.learning(run.folder / "logs", run.name),
        defenses=[
            Defense(outcome, drawings.curve(outcome, run.name), drawings.scores(folder, outcome.defense, run.name))
            for folder, outcome in run.outcomes
        ],
        saliency=_saliency(run, budget),
        commands=commands.of_run(run),
        start=commands.start(run),
    )


def _clips(anchor: str, source: Source, budget: Budget, shown: dict[tuple[str, str], str], count: int) -> Clips:
    key = (source.modality, source.stamp.sha256)
    measures = fidelity.fidelity(source.details) if source.details else []
    warnings = fidelity.lost_in_view(source.details) if source.details else []
    if key in shown:
        return Clips(source, [], measures, warnings, shown[key])
    shown[key] = anchor
    return Clips(source, gallery.show(source, count, budget), measures, warnings)


def _saliency(run: Run, budget: Budget) -> list[Saliency]:
    found = []
    for explanation in run.explanations.pictures if run.explanations else []:
        try:
            drawn = media.read_png(run.folder / "explanations" / Path(explanation.file).name)
            found.append(Saliency(explanation, gallery.embedded(explanation.split, drawn, budget)))
        except ClipError:
            found.append(Saliency(explanation, None))
    return found


def render(chapters: Sequence[Chapter], groups: Sequence[comparing.Group]) -> str:
    """The page as HTML; every text from elsewhere is escaped."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            chapters=chapters,
            groups=groups,
            names=NAMES,
            meanings=MEANINGS,
            clean_model=CLEAN_MODEL,
            style=Markup((Path(__file__).parent / "style.css").read_text(encoding="utf-8")),
            media_megabytes=MEDIA_BYTES // 1_000_000,
            survives=fidelity.SURVIVES,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(interval=_interval, number=_number, signed=_signed, percent=_percent, setting=_setting)
    return environment


def _interval(proportion: Proportion | Any) -> str:
    return f"{proportion.low:.3f} … {proportion.high:.3f}"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _percent(value: Any) -> str:
    return f"{100 * value:.3g} %" if isinstance(value, int | float) else "unknown"


def _setting(value: Any) -> str:
    """A parameter's value in words."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_setting, value))
    return str(value)
