"""The training loop: Lightning, checkpoints, and the place where an interrupted run goes on."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch

from trainer import distributed
from trainer.data.loader import EpochBatches, TrainingLoader
from trainer.data.training_set import Source
from trainer.errors import TrainerError
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.preset import Recipe
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs.folder import Settings
from trainer.text import argument
from trainer.training.cpu_sync_batchnorm import convert_sync_batchnorm
from trainer.training.lightning_module import Learner, Steps

PRECISIONS = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
CHECKPOINTS = 10
"""About how many times a run saves its state, at least once an epoch; it keeps the newest."""
CHECKPOINT_INTERVAL = timedelta(minutes=10)
"""It also does so whenever this much time has passed."""

LOGGED = 10
"""Steps from one point of the learning curves to the next, fewer where an epoch has fewer."""


@dataclass(frozen=True)
class Group:
    """The processes that train together: `devices` on each of `nodes` machines; this one is `rank`."""

    devices: int = 1
    nodes: int = 1
    rank: int = 0

    @property
    def size(self) -> int:
        """How many they are."""
        return self.devices * self.nodes


def train(
    model: Victim, source: Source, recipe: Recipe, settings: Settings, group: Group, folder: Path, progress: Progress
) -> None:
    """Fit a model's weights in place, from the folder's newest checkpoint where there is one.

    The order of clips, their crops and dropout are functions of (seed, epoch, batch), and a checkpoint knows its place
    within an epoch, so that an interrupted run goes on from there to the same weights.
    """
    _quieten()
    from lightning.pytorch import Trainer
    from lightning.pytorch.loggers import TensorBoardLogger

    sampler = EpochBatches(
        source.count, settings.batch_size, settings.seed, group.rank, group.size, settings.accumulate
    )
    loader = TrainingLoader(source.clips, sampler, source.workers)
    shared = _synchronise(recipe, settings, group, progress)
    if shared and not torch.cuda.is_available():
        convert_sync_batchnorm(model)
    learner = Learner(weights.to_channels_last(model), recipe, sampler.steps * settings.epochs, settings.seed)
    with progress.stage("training", settings.epochs, "epochs") as step:
        trainer = Trainer(
            max_epochs=settings.epochs,
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=group.devices,
            num_nodes=group.nodes,
            strategy="ddp" if group.size > 1 else "auto",
            sync_batchnorm=shared and torch.cuda.is_available(),
            precision=PRECISIONS[settings.precision],  # type: ignore[arg-type]
            accumulate_grad_batches=sampler.accumulate,
            gradient_clip_val=recipe.clip_norm,
            logger=TensorBoardLogger(folder, name=None, version="logs"),
            callbacks=[*_savers(folder, loader, settings.epochs), Steps(step)],
            plugins=[_environment()],
            default_root_dir=folder,
            use_distributed_sampler=False,  # the sampler deals clips out itself
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            log_every_n_steps=min(LOGGED, sampler.steps),
        )
        if trainer.world_size != group.size:
            raise TrainerError(
                f"{trainer.world_size} processes train instead of the {group.size} of {argument('devices')} and "
                f"{argument('nodes')}",
                "start them with torchrun or srun, or leave both out",
            )
        try:
            trainer.fit(learner, loader, ckpt_path=runs.last_checkpoint(folder))
        except SystemExit:  # Lightning's way of ending on Ctrl-C
            raise KeyboardInterrupt from None


def _savers(folder: Path, loader: TrainingLoader, epochs: int) -> list[Any]:
    """Two savers of the state, by steps and by the clock; each keeps its newest."""
    from lightning.pytorch.callbacks import ModelCheckpoint

    sampler = loader.sampler

    class Saver(ModelCheckpoint):
        """Saves between steps alone: gradients that wait for the rest of their batch are not in a checkpoint.

        After an epoch's last step it waits for the next epoch to begin: a state in between is one that Lightning (2.6)
        goes on from, but loses count of epochs, so that the run could not be interrupted a second time.
        """

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            if (batch_idx + 1) % sampler.accumulate == 0 and batch_idx + 1 < len(loader):
                super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

        def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
            if batch_idx == 0 and trainer.global_step:
                counts = trainer.fit_loop.epoch_loop.batch_progress
                with loader.last_taken_back():  # and not counted as begun by Lightning either
                    for count in (counts.total, counts.current):
                        count.ready -= 1
                    super().on_train_batch_end(trainer, pl_module, None, batch, batch_idx)
                    for count in (counts.total, counts.current):
                        count.ready += 1

    every = max(min(sampler.steps * epochs // CHECKPOINTS, sampler.steps), 1)
    names: dict[str, Any] = {"filename": "{step:08d}", "auto_insert_metric_name": False}
    return [
        Saver(folder / "checkpoints", every_n_train_steps=every, **names),
        Saver(folder / "checkpoints", train_time_interval=CHECKPOINT_INTERVAL, **names),
    ]


def _environment() -> Any:
    """Who starts the processes, told rather than guessed: Lightning would take any job of Slurm's for its own."""
    from lightning.pytorch.plugins.environments import (
        LightningEnvironment,
        SLURMEnvironment,
        TorchElasticEnvironment,
    )

    if distributed.launcher() == "torchrun":
        return TorchElasticEnvironment()
    if distributed.launcher() == "slurm":
        return SLURMEnvironment(auto_requeue=False)  # it would leave a checkpoint in the working folder
    return LightningEnvironment()


def _synchronise(recipe: Recipe, settings: Settings, group: Group, progress: Progress) -> bool:
    """Whether batch norm takes its statistics over all processes: where one alone sees fewer clips than it should."""
    seen = settings.batch_size // (group.size * settings.accumulate)
    wanted = recipe.device_batch or settings.batch_size
    if group.size == 1 or seen >= wanted:
        return False
    progress.say(f"batch norm is synchronised over {group.size} devices: each sees {seen} clips at a time")
    return True


def _quieten() -> None:
    """Lightning announces devices and tips on stderr, where progress belongs."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="(?s).*Grad strides do not match")  # channels last under DDP
