"""Predictions for test clips, and a run's figures from them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer import files, models
from trainer import manifest as manifests
from trainer.errors import RunError, TrainerError
from trainer.evaluation import inference
from trainer.manifest import Manifest, Sample
from trainer.models._base import Victim
from trainer.presets.preset import Preset
from trainer.presets.sampling import Views, parse_views
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run, metrics
from trainer.runs.folder import ManifestStamp, Metrics, Settings
from trainer.runs.metrics import Prediction
from trainer.text import argument
from trainer.versions import versions

TESTS = manifests.TESTS


@dataclass(frozen=True)
class EvaluateOptions:
    """What `trainer evaluate` was asked for; without `manifest`, the run's own; without `splits`, all test splits."""

    run: Path
    manifest: Path | None = None
    views: str | None = None
    splits: tuple[str, ...] = ()


def evaluate(options: EvaluateOptions, progress: Progress) -> Metrics:
    """Score a run's weights on a manifest's test splits.

    On the run's own manifest with the run's own views that renews its figures; anything else is kept beside
    them, in `evaluations/<manifest name>-<views>/`.
    """
    run = loaded_run.load(options.run)
    manifest = run.manifest if options.manifest is None else manifests.load(options.manifest)
    if run.classes != manifest.classes:
        raise RunError(
            f"the run {options.run} knows the classes {', '.join(run.classes)}, "
            f"{manifest.path} has {', '.join(manifest.classes)}",
            "score it on a manifest of the same classes",
        )
    views = parse_views(options.views, run.preset.views) if options.views else run.views
    splits = options.splits or TESTS
    folder = options.run
    if (manifest.sha256, views) != (run.metrics.manifest.sha256, run.views):
        folder = options.run / "evaluations" / f"{manifest.name}-{views.as_name}"
    elif splits != TESTS:
        raise RunError(
            f"{options.run} has been scored on all splits of its own manifest",
            f"leave {argument('split')} out, or name other {argument('views')}",
        )
    if manifests.TRIGGERED in splits:
        say_untouched(manifest, run.model, progress)
    return score(run.model, manifest, run.settings, views, folder, dict(run.metrics.seconds), progress, splits)


def say_untouched(manifest: Manifest, model: Victim | type[Victim], progress: Progress) -> None:
    """Say so where a trigger is in the video alone and the model takes audio, or the other way round."""
    if manifest.target is not None and manifest.attacked and model.modality not in manifest.attacked:
        changed, taken = ("video", "audio") if model.modality == "audio" else ("audio", "video")
        progress.say(
            f"note: the trigger of {manifest.name} is in the {changed} alone, and {model.name} takes the {taken}: "
            "what it is given carries no trigger, and its ASR tells nothing about the attack"
        )


def score(
    model: Victim,
    manifest: Manifest,
    settings: Settings,
    views: Views,
    folder: Path,
    seconds: dict[str, float],
    progress: Progress,
    splits: Sequence[str] = TESTS,
) -> Metrics:
    """Predict test splits and write `predictions.csv` and, last, `metrics.json` into `folder`."""
    start = time.monotonic()
    preset = models.preset_of(settings.model, settings.preset)
    samples = [sample for sample in manifest.samples if sample.split in splits]
    if not samples:
        raise TrainerError(f"{manifest.path} has no clips in {', '.join(splits)}", "a run without any has no figures")
    with progress.stage("testing", len(samples)) as step:
        predictions = predict(model, manifest, samples, preset, views, step)
    target = None if manifest.target is None else manifest.target.label
    figures = metrics.scores_of(predictions, target)
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
    files.write_json(folder / "metrics.json", result)
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
    seen = inference.observe(model, manifest, samples, preset, views, step)
    return [metrics.predict(s, scores.tolist()) for s, scores in zip(samples, seen.probabilities, strict=True)]
