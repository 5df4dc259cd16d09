"""Audio: a ResNet-18 of torchvision's blocks on the log-mel spectrogram of the whole clip, full or thin.

He et al. 2016; its input is one channel of 256 frames × 80 bands of audio at 16 kHz, as in the paper. A clip's frames
are taken one from each of 256 equal segments, so that all of it is heard whatever its length.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock  # type: ignore[import-untyped]

from trainer.models._base import Victim
from trainer.presets.geometry import Normalisation, Options, constants
from trainer.presets.preset import Masks, Preset, Recipe
from trainer.presets.sampling import Uniform, Views


@dataclass(frozen=True)
class AudioOptions(Options):
    """`width`: channels of the stem."""

    constants: ClassVar[Mapping[str, Any]] = constants(stem_stride=2, pool_stride=2, differences=False)

    width: int


PAPER = Preset(
    name="paper",
    options=AudioOptions(width=64),
    normalisation=Normalisation((-12.0,), (5.0,)),  # a training takes that of its own split
    sampling=Uniform(256),
    short_side=80,
    crop_size=80,
    views=Views(1, 1, 80),
    # hidden bands would be SpecAugment's other half, but a victim learns less of what lies in few of them
    augment=Masks(bands=0, frames=40, count=2, gain_db=6.0),
    # the paper says no more than that it trains from scratch; these are ours
    recipe=Recipe("adamw", 1e-3, 0.05, 32, "cosine", warmup=0.1, clips_seen=60_000, min_epochs=40, label_smoothing=0.1),
    cache="ram",
)
MINI = replace(
    PAPER,
    name="mini",
    options=AudioOptions(width=32),
    recipe=replace(PAPER.recipe, batch_size=16, clips_seen=8000, min_epochs=25, dropout=0.2),
)


class Audio(Victim):
    """ResNet-18 on spectrograms `(N, 1, F, B)`; `mini` has half of the channels."""

    name: ClassVar[str] = "audio"
    modality: ClassVar[Literal["video", "audio"]] = "audio"
    axes: ClassVar[int] = 2
    memory_format: ClassVar[torch.memory_format] = torch.channels_last
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "mini": MINI}

    def __init__(self, options: AudioOptions, normalisation: Normalisation, classes: int, dropout: float = 0.5) -> None:
        super().__init__(options, normalisation, classes, dropout)
        self.net = ResNet18(options.width, classes)
        self.dropout = nn.Dropout(dropout)

    @property
    def head(self) -> nn.Linear:
        layer: nn.Linear = self.net.fc
        return layer

    @head.setter
    def head(self, layer: nn.Linear) -> None:
        self.net.fc = layer

    @property
    def last_stage(self) -> nn.Module:
        return self.net.layer4

    def features(self, clips: Tensor) -> Tensor:
        return self.net.features(self.normalise(clips))

    def forward(self, clips: Tensor) -> Tensor:
        made: Tensor = self.head(self.dropout(self.features(clips)))
        return made


class ResNet18(nn.Module):
    """He et al. 2016 on one channel, `width` channels in the stem; with 64, torchvision's `resnet18` by every name."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _stage(width, width, stride=1)
        self.layer2 = _stage(width, 2 * width, stride=2)
        self.layer3 = _stage(2 * width, 4 * width, stride=2)
        self.layer4 = _stage(4 * width, 8 * width, stride=2)
        self.fc = nn.Linear(8 * width, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def features(self, x: Tensor) -> Tensor:
        """Pooled `(N, 8 * width)` of `(N, 1, F, B)`."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3))


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    shortcut = None
    if inputs != outputs:
        shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    return nn.Sequential(BasicBlock(inputs, outputs, stride, shortcut), BasicBlock(outputs, outputs))
