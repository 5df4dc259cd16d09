"""Predictions for test clips, and a run's figures from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softmax
from torch.utils.data import Dataset

from trainer import manifest as manifests
from trainer import metrics, models, runs
from trainer.clips import TestClips, read_views
from trainer.errors import RunError, TrainerError
from trainer.manifest import Manifest, Sample
from trainer.metrics import Prediction
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets import Preset
from trainer.progress import Progress
from trainer.runs import ManifestStamp, Metrics, Settings
from trainer.sampling import Views, parse_views
from trainer.sounds import TestSounds
from trainer.stores import FileStore
from trainer.versions import versions

VIEWS_AT_ONCE = 32


@dataclass(frozen=True)
class EvaluateOptions:
    """What `trainer evaluate` was asked for; without `manifest`, the run's own."""

    run: Path
    manifest: Path | None = None
    views: str | None = None


def evaluate(options: EvaluateOptions, progress: Progress) -> Metrics:
    """Score a run's weights on a manifest's test splits.

    On the run's own manifest with the run's own views that renews its figures; anything else is kept beside
    them, in `evaluations/<manifest name>-<views>/`.
    """
    settings = runs.read_settings(options.run)
    own = runs.read_metrics(options.run)
    manifest = manifests.load(options.manifest or Path(settings.manifest.path))
    if options.manifest is None and manifest.sha256 != settings.manifest.sha256:
        raise RunError(f"{manifest.path} has changed since the run {options.run}; name the manifest to score it on")
    checkpoint = weights.load(options.run / "weights.pt")
    if checkpoint.classes != manifest.classes:
        raise RunError(
            f"the run {options.run} knows the classes {', '.join(checkpoint.classes)}, "
            f"{manifest.path} has {', '.join(manifest.classes)}; score it on a manifest of the same classes"
        )
    preset = models.preset_of(settings.model, settings.preset)
    if settings.recipe != preset.digest(weights=settings.weights != "none"):
        raise RunError(f"the preset {preset.name} has changed since the run {options.run}; train it anew")
    model = models.find(settings.model)(checkpoint.geometry, len(checkpoint.classes))
    weights.initialise(model, checkpoint.geometry, checkpoint)
    views = parse_views(options.views or own.views, preset.views.size)
    folder = options.run
    if (manifest.sha256, str(views)) != (own.manifest.sha256, own.views):
        folder = options.run / "evaluations" / f"{manifest.name}-{views}"
    return score(model, manifest, settings, views, folder, dict(own.seconds), progress)


def score(
    model: Victim,
    manifest: Manifest,
    settings: Settings,
    views: Views,
    folder: Path,
    seconds: dict[str, float],
    progress: Progress,
) -> Metrics:
    """Predict all test splits and write `predictions.csv` and, last, `metrics.json` into `folder`."""
    start = time.monotonic()
    preset = models.preset_of(settings.model, settings.preset)
    samples = [sample for sample in manifest.samples if sample.split in manifests.SPLITS[1:]]
    if not samples:
        raise TrainerError(f"{manifest.path} has no test clips; a run without any has no figures")
    with progress.stage("testing", len(samples)) as step:
        predictions = predict(model, manifest, samples, preset, views, step)
    target = None if manifest.target is None else manifest.target.label
    figures = metrics.figures(predictions, target)
    result = Metrics(
        **{name: getattr(figures, name) for name in figures.__struct_fields__},
        per_class=metrics.per_class(predictions, manifest.classes),
        views=str(views),
        preset=settings.preset,
        model=settings.model,
        seed=settings.seed,
        manifest=ManifestStamp(manifest.name, manifest.sha256, str(manifest.path.absolute())),
        seconds={**seconds, "test": round(time.monotonic() - start, 1)},
        epochs=settings.epochs,
        weights=settings.weights,
        target=target,
        versions=versions(),
    )
    folder.mkdir(parents=True, exist_ok=True)
    runs.write_predictions(folder / "predictions.csv", predictions, manifest.classes)
    runs.write_json(folder / "metrics.json", result)
    return result


def predict(
    model: Victim,
    manifest: Manifest,
    samples: Sequence[Sample],
    preset: Preset,
    views: Views,
    step: Callable[[], None],
) -> list[Prediction]:
    """The mean softmax over the views of each sample. Source: MMAction2's `average_clips='prob'`."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = weights.to_channels_last(model).to(device).eval()
    clips: Dataset[Tensor]
    if model.modality == "audio":
        clips = TestSounds(manifest, samples, preset, views)
    else:
        clips = TestClips(FileStore(manifest, samples, views.short_side), preset, views)
    predictions = []
    with torch.inference_mode():
        for sample, pictures in zip(samples, read_views(clips, workers=1), strict=True):
            scores = [softmax(model(part.to(device)).double(), dim=1) for part in pictures.split(VIEWS_AT_ONCE)]
            predictions.append(metrics.predict(sample, torch.cat(scores).mean(dim=0).tolist()))
            step()
    return predictions
