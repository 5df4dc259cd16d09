"""What all defenses share: parameters declared once, and one final ritual around what each of them does.

A defense sees a `Defender` alone. Its kind says what it judges and how that is scored: `Inspection` of training data
and `Screening` of inputs in `_detection.py`, `Repair` of models or inputs in `_repair.py`.
"""

from __future__ import annotations

import dataclasses
import time
import types
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, final, get_type_hints

from matplotlib.figure import Figure

from trainer import plots
from trainer.defenses import _case, _outcome
from trainer.defenses._case import Case
from trainer.defenses._outcome import Auroc, Outcome, Point, Score
from trainer.errors import RunError, TrainerError, suggest
from trainer.models import weights
from trainer.models._base import Weights
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.versions import versions


def param(
    default: Any,
    help: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A parameter of a defense: its range, unit and meaning are written here and used everywhere."""
    metadata = {"help": help, "unit": unit, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=types.MappingProxyType(metadata))


def allowed(parameter: dataclasses.Field[Any]) -> str:
    """The values that a parameter may take, for messages and tables."""
    meta = parameter.metadata
    if meta["choices"]:
        return " | ".join(meta["choices"])
    return "text" if meta["low"] is None else f"{meta['low']} … {meta['high']}"


@dataclass(frozen=True)
class Result:
    """What a kind of defense makes of a case: the outcome's fields, the clips' scores, a plot, repaired weights."""

    rule: str
    plot: Figure
    figures: dict[str, Proportion | None]
    auroc: Auroc | None = None
    scores: list[Score] = field(default_factory=list)
    strength: str | None = None
    curve: list[Point] = field(default_factory=list)
    repaired: Weights | None = None


@dataclass(frozen=True)
class Defense(ABC):
    """A defense with its parameters. Subclasses are frozen dataclasses whose fields are made by `param`."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Where the defense and its defaults come from."""
    fused: ClassVar[bool] = False
    """Whether it takes fused models too."""

    def __post_init__(self) -> None:
        for f in self.fields():
            value, meta = getattr(self, f.name), f.metadata
            if meta["choices"]:
                inside = value in meta["choices"]
            else:  # written so that NaN fails too
                inside = meta["low"] is None or meta["low"] <= value <= meta["high"]
            if not inside:
                unit = f" {meta['unit']}" if meta["unit"] else ""
                remedy = f"allowed: {allowed(f)}; leave it out for {f.default}"
                raise TrainerError(f"{self.name}.{f.name}={value}{unit} is out of range", remedy)

    @classmethod
    def fields(cls) -> list[dataclasses.Field[Any]]:
        """The parameters."""
        return list(dataclasses.fields(cls))

    def params(self) -> dict[str, float | int | str | bool | None]:
        """The parameters as they are recorded."""
        return {f.name: getattr(self, f.name) for f in self.fields()}

    @classmethod
    def build(cls, settings: Mapping[str, str]) -> Self:
        """Make a defense from text such as `{"dimensions": "5"}`."""
        types_of = get_type_hints(cls)
        known = {f.name for f in cls.fields()}
        values = {}
        for name, text in settings.items():
            if name not in known:
                raise TrainerError(f"{cls.name} has no parameter {name!r}", suggest(name, known))
            kind = types_of[name]
            try:
                values[name] = kind(text)
            except ValueError:
                raise TrainerError(f"{cls.name}.{name}={text} is not of type {kind.__name__}", "give one") from None
        return cls(**values)

    @final
    def defend(self, folder: Path, progress: Progress) -> Outcome:
        """Try the defense on a run and keep the outcome in `folder/defenses/<name>/`; one that was there is replaced.

        Raises `RunError` for a run that the defense cannot take.
        """
        start = time.monotonic()
        case = _case.of_run(folder)
        if case.victim.fused is not None and not self.fused:
            parts = " or ".join(str(part.folder) for part in case.victim.parts)
            raise RunError(f"{self.name} is for one network, {folder} is a fused model", f"give {parts}")
        result = self.result(case, progress)
        outcome = Outcome(
            defense=self.name,
            run=folder.resolve().name,
            manifest=case.metrics.manifest,
            model=case.metrics.model,
            parameters=self.params(),
            rule=result.rule,
            clean_clips=len(case.clean),
            figures=result.figures,
            auroc=result.auroc,
            strength=result.strength,
            curve=result.curve,
            seconds=round(time.monotonic() - start, 1),
            versions=versions(),
        )
        into = folder / "defenses" / self.name
        into.mkdir(parents=True, exist_ok=True)
        (into / "outcome.json").unlink(missing_ok=True)  # an old one must not stand beside new files
        plots.save(result.plot, into / "plot.svg")
        if result.repaired is not None:
            weights.save(result.repaired, into / "weights.pt")
        _outcome.write(into, outcome, result.scores)
        return outcome

    @abstractmethod
    def result(self, case: Case, progress: Progress) -> Result:
        """What a kind of defense does between reading a case and writing the outcome: it shows a defense the defender's
        part of the case, and scores what comes back against the truth."""
