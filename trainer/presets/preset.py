"""What a model sees and how it is trained, at two sizes: `paper` and `mini`.

A model's file holds its presets, so that a new model is one new file.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, Literal

from trainer.presets import geometry
from trainer.presets.geometry import Normalisation, Options
from trainer.presets.sampling import Sampling, Views


@dataclass(frozen=True)
class Augment:
    """How a training crop is drawn from a frame.

    `crop`: `resized` draws the side from the range `scales` and width ÷ height up to `aspect`, anywhere; `multiscale`
    draws the side from the list `scales`, in a corner or the middle (with 13 `places`, also between them), width and
    height at most `gap` places of the list apart; `area` draws the fraction of the frame's area from the range `scales`
    and width ÷ height up to `aspect`, anywhere. `jitter`: the largest change of contrast (as a fraction) and of
    brightness (as a fraction of 128 grey levels), the same for a whole clip.
    """

    crop: Literal["resized", "multiscale", "area"]
    scales: tuple[float, ...]
    aspect: float = 1.0
    flip: bool = True
    jitter: float = 0.0
    gap: int = 0
    places: Literal[5, 13] = 5


@dataclass(frozen=True)
class Masks:
    """How a training spectrogram is drawn from a clip's.

    Rolled in time if `roll`, its level changed by up to `gain_db`, and `count` times up to `frames` frames and up to
    `bands` bands hidden.
    """

    bands: int
    frames: int
    count: int
    gain_db: float
    roll: bool = True


@dataclass(frozen=True)
class Recipe:
    """The optimizer's side of a preset.

    `clips_seen` gives the number of epochs where that is not fixed by `epochs`: small data sets are gone
    through more often, at least `min_epochs` times. `schedule`: `cosine` to zero after a linear warm-up over
    the fraction `warmup` of all steps, or `steps`, which divides the rate by ten after 0.4 and 0.8 of them.

    A step sees `batch_size` clips, on one device or on many. A device takes at most `device_batch` at a time (None:
    all that fall to it) and adds the gradients up; batch norm sees that many together, on one device as on eight.

    `head_lr`: the head learns so many times as fast, its bias twice that; norms are then not decayed under SGD either.
    """

    optimizer: Literal["sgd", "adamw"]
    lr: float
    weight_decay: float
    batch_size: int
    schedule: Literal["cosine", "steps"]
    device_batch: int | None = None
    warmup: float = 0.0
    epochs: int | None = None
    clips_seen: int = 0
    min_epochs: int = 8
    label_smoothing: float = 0.0
    head_lr: float | None = None
    dropout: float = 0.5
    clip_norm: float = 40.0

    def accumulation(self, batch_size: int, device_batch: int | None, processes: int) -> int:
        """In how many parts each of `processes` takes what falls to it of a batch."""
        most = device_batch or self.device_batch
        return max(-(-batch_size // (processes * most)), 1) if most else 1

    def epochs_for(self, clips: int) -> int:
        """The number of epochs for a training split of `clips` clips."""
        return self.epochs or max(round(self.clips_seen / max(clips, 1)), self.min_epochs)


@dataclass(frozen=True)
class Preset:
    """Everything that `--preset` stands for.

    Frames are scaled to `short_side`, training crops are `crop_size` squared, test crops `views.size` squared; of audio
    all three are the number of mel bands. `finetuning` is the recipe for a training that starts from weights, where
    that is another one.
    """

    name: str
    options: Options
    normalisation: Normalisation
    sampling: Sampling
    short_side: int
    crop_size: int
    views: Views
    augment: Augment | Masks
    recipe: Recipe
    cache: Literal["ram", "none"]
    finetuning: Recipe | None = None

    @property
    def frames(self) -> int:
        """How many frames of a clip the model sees at once."""
        return self.sampling.frames

    def recipe_for(self, weights: bool) -> Recipe:
        """The recipe of a training from scratch, or from weights."""
        return self.finetuning if weights and self.finetuning is not None else self.recipe

    def digest(self, weights: bool) -> str:
        """A short hash of all that decides a training from scratch or from weights, so that edits are noticed.

        Fields at their defaults are left out, so that a new one does not make every run another.
        """
        used = replace(self, recipe=self.recipe_for(weights), finetuning=None)
        return hashlib.blake2b(repr(_chosen(used)).encode(), digest_size=6).hexdigest()


def _chosen(value: Any) -> Any:
    """A dataclass as its name and the fields that differ from their defaults, dataclasses in it alike."""
    if not is_dataclass(value):
        return value
    named = [(f.name, _chosen(getattr(value, f.name))) for f in fields(value) if getattr(value, f.name) != f.default]
    if isinstance(value, Preset):  # options and normalisation stand in digests as one
        row = geometry.chosen(value.options, value.frames, value.normalisation)
        named = [named[0], ("geometry", row), *named[3:]]
    return type(value).__name__, named
