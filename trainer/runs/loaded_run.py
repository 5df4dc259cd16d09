"""A finished run, ready to be asked: its weights in its model, its views, and the manifest that it was trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer import manifest as manifests
from trainer import models
from trainer.errors import RunError
from trainer.manifest import Manifest
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.preset import Preset
from trainer.presets.sampling import Views, parse_views
from trainer.runs import folder as runs
from trainer.runs.folder import Metrics, Settings


@dataclass(frozen=True)
class Trained:
    """`views`: those of the run's own figures; `classes`: in label order."""

    folder: Path
    settings: Settings
    metrics: Metrics
    preset: Preset
    model: Victim
    classes: list[str]
    views: Views

    @cached_property
    def manifest(self) -> Manifest:
        """The run's own manifest; raises `RunError` when it has changed since."""
        found = manifests.load(Path(self.settings.manifest.path))
        if found.sha256 != self.settings.manifest.sha256:
            raise RunError(
                f"{found.path} has changed since the run {self.folder}",
                "put the old one back, or name the manifest to score it on with `trainer evaluate`",
            )
        return found

    def stamp_on(self, manifest: Manifest) -> str:
        """What the run's answers to a manifest's clips depend on: the hashes of its weights and of the manifest."""
        return f"{self.weights_sha256} {manifest.sha256}"

    @cached_property
    def weights_sha256(self) -> str:
        """The hash of `weights.pt`."""
        with (self.folder / "weights.pt").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def load(folder: Path) -> Trained:
    """Read a run; raises `RunError` when it is not finished, or when its preset is another one by now."""
    settings, metrics = runs.read_settings(folder), runs.read_metrics(folder)
    checkpoint = weights.load(folder / "weights.pt")
    preset = models.preset_of(settings.model, settings.preset)
    if settings.recipe != preset.digest(weights=settings.weights != "none"):
        raise RunError(f"the preset {preset.name} has changed since the run {folder}", "train it again")
    model = models.find(settings.model)(checkpoint.options, checkpoint.normalisation, len(checkpoint.classes))
    weights.initialise(model, checkpoint)
    views = parse_views(metrics.views, preset.views)
    return Trained(folder, settings, metrics, preset, model, checkpoint.classes, views)
