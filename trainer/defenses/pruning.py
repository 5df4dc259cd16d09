"""Pruning: channels that clean clips leave silent may be those that a trigger wakes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.utils.data import default_collate

from trainer.data.audio_datasets import AudioStore, TrainingSpectrograms
from trainer.data.frame_stores import FileStore
from trainer.data.video_datasets import TrainingClips
from trainer.defenses._base import param
from trainer.defenses._case import Defender
from trainer.defenses._repair import Repair, Repaired, Step
from trainer.evaluation import inference
from trainer.evaluation.inference import Array
from trainer.evaluation.logistic_regression import softmax
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.preset import Masks
from trainer.seeding import generator, torch_seed

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.99)


@dataclass(frozen=True)
class Pruning(Repair):
    """Cuts off channels of the last convolutional stage, those least active on the clean set first.

    Every victim's features are the pooled output of its last stage (of both pathways, for SlowFast), and its head is
    linear in them. A channel that is zero everywhere is a pooled feature that is zero, so the curve comes from the kept
    features, without showing any clip again: `softmax(W (m ⊙ f) + b)` with the mask m. The logits are then means over
    the views, where a run's own figures are means of probabilities: the first point may differ from them by a clip.

    The defender takes the largest fraction at which the accuracy on the clean set has fallen by at most `max_drop`
    points. With `finetune_epochs` the pruned model is trained on the clean set, norms at rest and pruned channels
    staying at zero: fine-pruning. The repaired model is kept as `weights.pt`.

    Source: Liu, Dolan-Gavitt & Garg, "Fine-Pruning: Defending Against Backdooring Attacks on Deep Neural Networks",
    2018, sections 3.2 and 3.3; its drop is 4 points.
    """

    name: ClassVar[str] = "pruning"
    source: ClassVar[str] = "Liu, Dolan-Gavitt & Garg 2018, sections 3.2 and 3.3; figure 5 of the paper"

    max_drop: float = param(
        4.0, "loss of accuracy on the clean set that is put up with", unit="points", low=0.0, high=100.0
    )
    finetune_epochs: int = param(0, "rounds through the clean set after pruning", unit="epochs", low=0, high=1000)
    finetune_lr: float = param(1e-4, "AdamW's rate meanwhile", low=1e-8, high=1.0)
    seed: int = param(0, "of order, crops and mirroring in fine-tuning", low=0, high=2**32 - 1)

    def repair(self, defender: Defender) -> Repaired:
        run = defender.run
        known = defender.observed(defender.clean).features
        features = defender.observed(defender.judged).features
        order = np.argsort(np.abs(known).mean(axis=0), kind="stable")
        steps = []
        for fraction in FRACTIONS:
            kept = mask(order, fraction)
            steps.append(Step(fraction, scores(run.model, features * kept), scores(run.model, known * kept)))
        chosen = self.choose(steps, defender)
        kept = mask(order, FRACTIONS[chosen])
        with torch.no_grad():
            run.model.head.weight[:, torch.from_numpy(kept == 0)] = 0.0
        further = {}
        if self.finetune_epochs:
            self._finetune(defender, torch.from_numpy(kept == 0))
            further["fine-tuned"] = self._shown(defender)
        repaired = run.model.weights(run.preset, run.classes)
        rule = (
            f"of {len(order)} channels of the last stage those least active on the clean set are set to zero, "
            f"{FRACTIONS[chosen]:.0%} of them: the most at which accuracy on the clean set falls by at most "
            f"{self.max_drop:g} points"
        )
        if self.finetune_epochs:
            rule += f"; then {self.finetune_epochs} epochs of fine-tuning on the clean set"
        return Repaired(rule, "fraction of channels pruned", steps, chosen, further, repaired)

    def _finetune(self, defender: Defender, pruned: Tensor) -> None:
        """Train all weights on the clean set, but let neither norms' statistics nor pruned channels move."""
        run = defender.run
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = weights.to_channels_last(run.model).to(device).eval()
        optimizer = torch.optim.AdamW(model.parameters(), self.finetune_lr)
        files = [clip.files[0] for clip in defender.clean]
        clips: TrainingClips | TrainingSpectrograms
        if isinstance(run.preset.augment, Masks):
            clips = TrainingSpectrograms(AudioStore(run.manifest, files, run.preset.short_side), run.preset, self.seed)
        else:
            clips = TrainingClips(FileStore(run.manifest, files, run.preset.short_side), run.preset, self.seed)
        size = run.preset.recipe.batch_size
        with defender.progress.stage("fine-tuning", self.finetune_epochs, "epochs") as step:
            for epoch in range(self.finetune_epochs):
                torch.manual_seed(torch_seed(self.seed, "finetune", epoch))
                order = generator(self.seed, "finetune", epoch).permutation(len(files))
                for batch in np.array_split(order, -(-len(files) // size)):
                    inputs, labels = default_collate([clips[epoch, int(index)] for index in batch])
                    optimizer.zero_grad()
                    loss = cross_entropy(model(inputs.to(device)), labels.to(device))
                    loss.backward()
                    optimizer.step()
                    with torch.no_grad():
                        model.head.weight[:, pruned.to(device)] = 0.0
                step(note=f"loss {float(loss.detach()):.3f}")

    def _shown(self, defender: Defender) -> Array:
        run = defender.run
        files = [clip.files[0] for clip in defender.judged]
        with defender.progress.stage("testing", len(files)) as step:
            return softmax(inference.observe(run.model, run.manifest, files, run.preset, run.views, step).logits)


def mask(order: NDArray[np.int64], fraction: float) -> Array:
    """Zeros for the first `fraction` of the channels in `order`, ones for the rest; one channel is always kept."""
    kept = np.ones(len(order))
    kept[order[: min(round(fraction * len(order)), len(order) - 1)]] = 0.0
    return kept


def scores(model: Victim, features: Array) -> Array:
    """The class probabilities `(N, C)` of pooled features `(N, D)`."""
    with torch.no_grad():
        head = model.head
        return softmax(features @ head.weight.double().cpu().numpy().T + head.bias.double().cpu().numpy())
