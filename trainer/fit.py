"""Training a victim: from options to a run folder with weights and figures."""

from __future__ import annotations

import hashlib
import logging
import os
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer import evaluate, models, runs, stores
from trainer import manifest as manifests
from trainer.clips import EpochBatches, TrainingClips, TrainingLoader
from trainer.errors import RunError, TrainerError
from trainer.learning import Learner, Steps
from trainer.manifest import Manifest, Sample
from trainer.models import _public as public
from trainer.models import weights
from trainer.models._base import Victim
from trainer.models.weights import Weights
from trainer.presets import Masks, Preset, Recipe
from trainer.progress import Progress
from trainer.runs import ManifestStamp, Metrics, Settings
from trainer.sampling import parse_views
from trainer.sounds import SoundStore, TrainingSounds
from trainer.stores import FileStore, RamStore, Store
from trainer.versions import versions

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
CHECKPOINTS = 10
"""About how many times a run saves its state; it keeps the newest."""


@dataclass(frozen=True)
class FitOptions:
    """What `trainer fit` was asked for; None takes the preset's choice, the weights `k400` the public ones."""

    manifest: Path
    model: str = "i3d"
    preset: str | None = None
    weights: Path | None = None
    force: bool = False
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    devices: int = 1
    precision: str = "32"
    cache: Literal["ram", "none"] | None = None
    views: str | None = None
    out: Path | None = None
    resume: bool = False


def fit(options: FitOptions, progress: Progress) -> Metrics | None:
    """Train, test, and write the run folder; a run that is already finished is only read.

    With several devices, Lightning starts the command once more for each; those helpers only train, silently,
    and give None.
    """
    progress.console.quiet = _is_helper()
    manifest = manifests.load(options.manifest)
    preset = _preset(options, progress)
    _check_options(options)
    recipe = preset.recipe_for(weights=options.weights is not None)
    initial, source = _initial(options, preset)
    settings = _settings(options, manifest, preset, recipe, source)
    views = parse_views(options.views, preset.views.size) if options.views else preset.views
    samples = manifest.split("train")
    if not samples:
        raise TrainerError(f"{manifest.path} has no training clips; give a manifest with a train split")
    if not any(manifest.split(name) for name in manifests.SPLITS[1:]):
        raise TrainerError(f"{manifest.path} has no test clips; a run without any has no figures")
    _check_sampling(manifest, preset, progress)
    folder = options.out or Path("runs") / manifest.name
    if not _is_helper():
        runs.check(folder, settings, options.resume)
    if runs.is_finished(folder):
        return _finished(folder, str(views) if options.views else None, progress)
    if options.resume and not folder.exists():
        progress.say(f"there is no run in {folder} to go on with: a new one begins")
    progress.say(f"{settings.model} {preset.name}: {len(samples)} clips, {settings.epochs} epochs → {folder}")
    start = time.monotonic()
    heard = _sounds(manifest, samples, preset, progress) if _hears(preset) else None
    geometry = preset.geometry if initial is None else weights.adopt(preset.geometry, initial.geometry)
    if heard is not None and initial is None:
        mean, deviation = heard.statistics()
        geometry = replace(geometry, mean=(mean,), std=(deviation,))
    torch.manual_seed(settings.seed)
    model = models.find(settings.model)(geometry, len(manifest.classes), recipe.dropout)
    if initial is not None:
        _report(weights.initialise(model, geometry, initial, force=options.force), progress)
    store = heard or _store(manifest, samples, preset, options.cache, progress)
    seconds = {"load": round(time.monotonic() - start, 1)}
    if not _is_helper():  # not before: a broken clip or unfit weights shall leave no folder behind
        runs.claim(folder, settings)
    train(model, store, preset, replace(recipe, lr=settings.lr), settings, folder, progress)
    seconds["train"] = round(time.monotonic() - start - seconds["load"], 1)
    header = weights.Weights(settings.model, preset.name, geometry, manifest.classes, model.state_dict())
    if _is_helper():
        return None
    weights.save(header, folder / "weights.pt")
    return evaluate.score(model, manifest, settings, views, folder, seconds, progress)


def train(
    model: Victim,
    store: Store | SoundStore,
    preset: Preset,
    recipe: Recipe,
    settings: Settings,
    folder: Path,
    progress: Progress,
) -> None:
    """Fit a model's weights in place, from the folder's newest checkpoint where there is one.

    The order of clips, their crops and dropout are functions of (seed, epoch, step), so that an interrupted
    run goes on from the last checkpoint to the same weights.
    """
    _quieten()
    from lightning.pytorch import Trainer
    from lightning.pytorch.callbacks import ModelCheckpoint
    from lightning.pytorch.loggers import TensorBoardLogger

    sampler = EpochBatches(len(store.samples), settings.batch_size, settings.seed, _rank(), settings.devices)
    clips: Dataset[tuple[Tensor, int]]
    if isinstance(store, SoundStore):
        clips = TrainingSounds(store, preset, settings.seed)
    else:
        clips = TrainingClips(store, preset, settings.seed)
    loader = TrainingLoader(clips, sampler, _workers(store, settings.devices))
    learner = Learner(weights.to_channels_last(model), recipe, len(loader) * settings.epochs, settings.seed)
    checkpoints = ModelCheckpoint(
        folder / "checkpoints",
        filename="epoch-{epoch:05d}",
        auto_insert_metric_name=False,
        every_n_epochs=max(settings.epochs // CHECKPOINTS, 1),
        save_on_train_epoch_end=True,
    )
    with progress.stage("training", settings.epochs, "epochs") as step:
        trainer = Trainer(
            max_epochs=settings.epochs,
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=settings.devices,
            strategy="ddp" if settings.devices > 1 else "auto",
            precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
            gradient_clip_val=recipe.clip_norm,
            logger=TensorBoardLogger(folder, name=None, version="logs"),
            callbacks=[checkpoints, Steps(step)],
            use_distributed_sampler=False,  # the sampler deals clips out itself
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=10,
        )
        try:
            trainer.fit(learner, loader, ckpt_path=runs.last_checkpoint(folder))
        except SystemExit:  # Lightning's way of ending on Ctrl-C
            raise KeyboardInterrupt from None


def _preset(options: FitOptions, progress: Progress) -> Preset:
    if options.preset is not None:
        return models.preset_of(options.model, options.preset)
    name = "paper" if torch.cuda.is_available() else "mini"
    reason = "there is a GPU" if name == "paper" else "there is no GPU"
    progress.say(f"preset {name}, since {reason}; choose with --preset")
    return models.preset_of(options.model, name)


def _initial(options: FitOptions, preset: Preset) -> tuple[Weights | None, str]:
    """The weights to start from, and their file's name and hash for the record."""
    if options.weights is None:
        return None, "none"
    path = public.fetch(options.model, preset.name) if str(options.weights) == "k400" else options.weights
    initial = weights.load(path)
    with path.open("rb") as file:
        return initial, f"{path.name} sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _check_sampling(manifest: Manifest, preset: Preset, progress: Progress) -> None:
    """Say so when the trigger's placement was made for other windows than this victim's."""
    if not _hears(preset) and manifest.target is not None and manifest.sampling not in (None, str(preset.sampling)):
        progress.say(
            f"note: the trigger was placed for windows of {manifest.sampling}, this victim samples {preset.sampling}: "
            f"it may see more or fewer poisoned frames than planned (poison with --window {preset.sampling})"
        )


def _check_options(options: FitOptions) -> None:
    """Raise `TrainerError` for a number that cannot be, before weights are fetched or anything is read."""
    if options.precision not in PRECISIONS:
        raise TrainerError(
            f"precision {options.precision!r} is not one of {', '.join(PRECISIONS)}; leave it out for 32"
        )
    for name in ("epochs", "batch_size", "lr", "devices"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise TrainerError(
                f"--{name.replace('_', '-')} is {value}, but must be above 0; leave it out for the preset's"
            )
    if not 0 <= options.seed < 2**63:
        raise TrainerError(f"--seed {options.seed} is not in 0 … 2⁶³ − 1; give another")
    if torch.cuda.is_available() and options.devices > torch.cuda.device_count():
        raise TrainerError(f"--devices {options.devices} asks for more than the {torch.cuda.device_count()} GPUs here")
    if options.precision == "16" and not torch.cuda.is_available():
        raise TrainerError("--precision 16 needs a GPU; take 32, or bf16")


def _settings(options: FitOptions, manifest: Manifest, preset: Preset, recipe: Recipe, source: str) -> Settings:
    return Settings(
        manifest=ManifestStamp(manifest.name, manifest.sha256, str(manifest.path.absolute())),
        model=options.model,
        preset=preset.name,
        weights=source,
        seed=options.seed,
        epochs=options.epochs or recipe.epochs_for(len(manifest.split("train"))),
        batch_size=options.batch_size or recipe.batch_size,
        lr=options.lr or recipe.lr,
        devices=options.devices,
        precision=options.precision,
        recipe=preset.digest(weights=options.weights is not None),
        versions=versions(),
    )


def _store(
    manifest: Manifest,
    samples: list[Sample],
    preset: Preset,
    cache: Literal["ram", "none"] | None,
    progress: Progress,
) -> Store:
    files = FileStore(manifest, samples, preset.short_side)
    need = stores.bytes_in_ram(samples, preset.short_side)
    if cache is None and preset.cache == "ram" and need > stores.memory() // 2:
        progress.say(f"decoding clips anew each epoch: in memory they take {need / 1e9:.0f} GB; --cache ram insists")
        return files
    if (cache or preset.cache) == "none":
        return files
    with progress.stage("decoding", len(samples)) as step:
        return RamStore(files, step)


def _rank() -> int:
    """This process's place in the group, as Lightning and torchrun tell it."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0")))


def _is_helper() -> bool:
    return _rank() > 0


def _hears(preset: Preset) -> bool:
    return isinstance(preset.augment, Masks)


def _sounds(manifest: Manifest, samples: list[Sample], preset: Preset, progress: Progress) -> SoundStore:
    with progress.stage("listening", len(samples)) as step:
        return SoundStore(manifest, samples, preset.short_side, step)


def _workers(store: Store | SoundStore, devices: int) -> int:
    """Worker processes: a share of the CPUs, none where the CPU trains on frames in memory."""
    if isinstance(store, RamStore | SoundStore) and not torch.cuda.is_available():
        return 0
    return max((os.cpu_count() or 1) // devices, 1)


def _finished(folder: Path, views: str | None, progress: Progress) -> Metrics:
    result = runs.read_metrics(folder)
    if views not in (None, result.views):
        raise RunError(
            f"{folder} holds this run, finished and tested with views {result.views}; "
            f"for {views}, use `trainer evaluate {folder} --views {views}`"
        )
    progress.say(f"{folder} already holds this run, finished; its figures follow")
    return result


def _report(loaded: weights.Loaded, progress: Progress) -> None:
    progress.say("weights loaded, head " + ("kept" if loaded.head_kept else "new: another number of classes"))
    for name, keys in (("missing", loaded.missing), ("unexpected", loaded.unexpected)):
        if keys:
            progress.say(f"{len(keys)} {name} keys: {', '.join(keys)}")


def _quieten() -> None:
    """Lightning announces devices and tips on stderr, where progress belongs."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="(?s).*Grad strides do not match")  # channels last under DDP
