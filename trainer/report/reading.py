"""What the page tells about, read from run folders and their manifests."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from trainer import manifest
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.errors import ManifestError, RunError
from trainer.evaluation import grad_cam
from trainer.evaluation.grad_cam import Explanations
from trainer.manifest import Manifest
from trainer.manifest import attack_details as details
from trainer.manifest.attack_details import Details
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Metrics
from trainer.runs.metrics import Prediction


class Asked(msgspec.Struct):
    """What `run.json` says, of any version."""

    batch_size: int | None = None
    accumulate: int | None = None
    lr: float | None = None
    devices: int = 1
    precision: str = "32"
    versions: dict[str, str] = {}
    weights_from: str = ""


@dataclass(frozen=True)
class Source:
    """A manifest that a run was made from; `problem` says why there is none to show, or why it has no details."""

    modality: str
    stamp: ManifestStamp
    manifest: Manifest | None
    details: Details | None
    problem: str = ""


@dataclass(frozen=True)
class Run:
    """A finished run; a fused one has two sources. `asked` is None for fused runs."""

    folder: Path
    name: str
    metrics: Metrics
    asked: Asked | None
    sources: list[Source]
    predictions: list[Prediction] = field(repr=False)
    explanations: Explanations | None
    outcomes: list[tuple[Path, Outcome]]

    @property
    def is_clean(self) -> bool:
        """Whether it was trained on unchanged clips."""
        return self.metrics.target is None

    @property
    def target(self) -> str | None:
        """The target's name."""
        return next((s.manifest.target.name for s in self.sources if s.manifest and s.manifest.target), None)

    @cached_property
    def attack(self) -> str:
        """What was done to its clips, in a few words."""
        attacks = [a for source in self.sources if source.details for a in source.details.attacks]
        if attacks:
            return " + ".join(f"{a.name} {a.mode}".strip() for a in attacks)
        if self.is_clean:
            return "none (clean)"
        known = all(source.details for source in self.sources)
        return "none: labels and encoding alone" if known else "unknown"


def read(folder: Path) -> Run:
    """Read a run; raises `RunError` for a folder that holds none, or one that is not finished."""
    if not runs.is_finished(folder):
        if (folder / "run.json").is_file():
            raise RunError(
                f"{folder} holds an unfinished run", "go on with `trainer fit … --resume`, then report on it"
            )
        raise RunError(f"{folder} holds no run", "give folders that `trainer fit` or `trainer fuse` made")
    metrics = runs.read_metrics(folder)
    if metrics.fusion is None:
        modality = "audio" if metrics.model == "audio" else "video"
        sources = [_source(modality, metrics.manifest)]
    else:
        parts = (("video", metrics.fusion.video), ("audio", metrics.fusion.audio))
        sources = [_source(modality, part.manifest) for modality, part in parts]
    asked = folder / "run.json"
    return Run(
        folder=folder,
        name=folder.resolve().name,
        metrics=metrics,
        asked=runs.read(asked, Asked) if asked.is_file() else None,
        sources=sources,
        predictions=runs.read_predictions(folder / "predictions.csv"),
        explanations=grad_cam.read(folder),
        outcomes=outcomes.of_run(folder),
    )


def _source(modality: str, stamp: ManifestStamp) -> Source:
    path = Path(stamp.path) if stamp.path else None
    if path is None:
        return Source(modality, stamp, None, None, "The run does not say where its manifest lies.")
    try:
        found = manifest.load(path)
    except ManifestError as error:
        return Source(modality, stamp, None, None, f"The manifest cannot be shown: {error}.")
    if found.sha256 != stamp.sha256:
        return Source(
            modality, stamp, None, None, f"The manifest {path} has changed since the run and is not shown here."
        )
    try:
        return Source(modality, stamp, found, details.read(path))
    except ManifestError as error:
        return Source(modality, stamp, found, None, f"{error}.")
