"""What every victim shares: input normalisation, features, and a linear head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.presets.preset import Geometry, Preset


class Victim(nn.Module, ABC):
    """A network from clips to class scores, which also gives the features that its head sees.

    Pictures are `(N, 3, T, H, W)` RGB in 0 … 255, `uint8` or floating point; sound is a log-mel spectrogram
    `(N, 1, F, B)`. Either is normalised here, since mean and deviation belong to the weights. Subclasses set `name` and
    `presets`, build their layers, and give `features` and `head`.
    """

    name: ClassVar[str]
    modality: ClassVar[Literal["video", "audio"]] = "video"
    axes: ClassVar[int] = 3
    """Of the input, behind clips and channels: time, height, width."""
    memory_format: ClassVar[torch.memory_format] = torch.channels_last_3d
    presets: ClassVar[dict[str, Preset]]
    last_stage_name: ClassVar[str] = "the last convolutional stage"

    mean: Tensor
    std: Tensor

    def __init__(self, geometry: Geometry, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        shape = (1, -1, *[1] * self.axes)
        # not in the state dict: the checkpoint's header carries them
        self.register_buffer("mean", torch.tensor(geometry.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(geometry.std).view(shape), persistent=False)

    @property
    @abstractmethod
    def head(self) -> nn.Linear:
        """The last layer: features to scores."""

    @property
    def last_stage(self) -> nn.Module:
        """The last convolutional stage, which gives one tensor: what saliency maps are made of."""
        raise TrainerError(f"the model {self.name!r} does not say which its last stage is", "give it `last_stage`")

    @abstractmethod
    def features(self, clips: Tensor) -> Tensor:
        """The pooled features `(N, D)` of clips `(N, 3, T, H, W)`, before dropout and head."""

    @abstractmethod
    def forward(self, clips: Tensor) -> Tensor:
        """The scores `(N, classes)` of clips `(N, 3, T, H, W)`, before softmax."""

    def normalise(self, clips: Tensor) -> Tensor:
        """Floating point clips with the weights' mean and deviation taken out."""
        clips = clips.to(self.mean.dtype, memory_format=self.memory_format)
        return (clips - self.mean) / self.std
