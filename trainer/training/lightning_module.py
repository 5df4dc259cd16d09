"""The training step on Lightning: loss, optimizer, learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from trainer.errors import TrainerError
from trainer.models._base import Victim
from trainer.presets.preset import Recipe
from trainer.seeding import torch_seed
from trainer.text import argument


class Learner(LightningModule):
    """Cross entropy on clips `uint8 (N, 3, T, S, S)` and labels `(N,)`, for `steps` steps in all."""

    def __init__(self, model: Victim, recipe: Recipe, steps: int, seed: int) -> None:
        super().__init__()
        self.model, self.recipe, self.steps, self.seed = model, recipe, steps, seed

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Dropout becomes a function of the batch, so that a resumed run draws the same."""
        torch.manual_seed(torch_seed(self.seed, "batch", self.current_epoch, batch_idx, self.global_rank))

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        clips, labels = batch
        loss = cross_entropy(self.model(clips), labels, label_smoothing=self.recipe.label_smoothing)
        self.log("loss", loss, on_step=True, on_epoch=False)
        self.log("lr", self.lr_schedulers().get_last_lr()[0])  # type: ignore[union-attr]
        return loss

    def configure_optimizers(self) -> Any:
        optimizer = build_optimizer(self.model, self.recipe)
        schedule = LambdaLR(optimizer, lambda step: rate(step / max(self.steps, 1), self.recipe))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Optimizer, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """As Lightning does it, which refuses fused optimizers under bf16, although nothing is scaled there."""
        if self.trainer.precision == "bf16-mixed" and gradient_clip_val is not None:
            clip_grad_norm_(self.parameters(), gradient_clip_val)
        else:
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)


class Steps(Callback):
    """Tells a progress display about each epoch."""

    def __init__(self, step: Callable[..., None]) -> None:
        self.step = step

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.current_epoch:  # a run that goes on
            self.step(done=trainer.current_epoch)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = float(trainer.callback_metrics["loss"])
        if not math.isfinite(loss):
            raise TrainerError(
                f"training diverged: the loss is {loss} after {trainer.current_epoch + 1} epochs",
                f"give a lower {argument('lr')}",
            )
        self.step(note=f"loss {loss:.3f}")


def build_optimizer(model: Victim, recipe: Recipe) -> Optimizer:
    """SGD with Nesterov-free momentum 0.9, or AdamW; norms and biases are not decayed under AdamW.

    MMAction2's SGD decays every parameter, as `paper` does, except TSM's: with `head_lr` norms are not decayed and the
    head learns faster. Source: MMAction2's `TSMOptimizerConstructor` with `fc_lr5`.
    """
    lr, decay = recipe.lr, recipe.weight_decay
    if recipe.optimizer == "sgd" and recipe.head_lr is None:
        return SGD(model.parameters(), lr, momentum=0.9, weight_decay=decay)
    head = {id(p) for p in model.head.parameters()}
    rest = [p for p in model.parameters() if id(p) not in head]
    for_weight, for_bias = (1.0, 1.0) if recipe.head_lr is None else (recipe.head_lr, 2 * recipe.head_lr)
    groups = [
        {"params": [p for p in rest if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in rest if p.ndim <= 1], "weight_decay": 0.0},
        {"params": [model.head.weight], "weight_decay": decay, "lr": lr * for_weight},
        {"params": [model.head.bias], "weight_decay": 0.0, "lr": lr * for_bias},
    ]
    if recipe.optimizer == "sgd":
        return SGD(groups, lr, momentum=0.9)
    # fused takes a tenth off a step on a CPU; on a GPU it would forbid clipping gradients under 16 bits
    return AdamW(groups, lr, fused=not torch.cuda.is_available())


def rate(done: float, recipe: Recipe) -> float:
    """The learning rate at the fraction `done` of all steps, as a multiple of the recipe's."""
    if recipe.schedule == "steps":
        return 1.0 if done < 0.4 else 0.1 if done < 0.8 else 0.01
    if done < recipe.warmup:
        return max(done, 1e-3) / recipe.warmup
    return 0.5 * (1 + math.cos(math.pi * (done - recipe.warmup) / (1 - recipe.warmup)))
