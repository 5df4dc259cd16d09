"""What victims on pytorchvideo's residual networks share: building them, how they start, their input and head."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainer.models._base import Victim
from trainer.presets.geometry import Normalisation, Options, constants

Kernel = tuple[int, int, int]

ZOO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"
"""Where pytorchvideo's public weights lie, under names that are this project's own, too."""


@dataclass(frozen=True)
class ResNetOptions(Options):
    """`width`: channels of the stem; `differences`: frame differences are stacked onto the colours as channels."""

    constants: ClassVar[Mapping[str, Any]] = constants(stem_stride=1, pool_stride=1)

    width: int
    differences: bool


class ResNetVictim(Victim):
    """A victim whose `blocks` are pytorchvideo's: stem, stages, and a head with the layer `proj`."""

    blocks: nn.ModuleList

    def __init__(
        self, options: ResNetOptions, normalisation: Normalisation, classes: int, dropout: float = 0.5
    ) -> None:
        super().__init__(options, normalisation, classes, dropout)
        self.differences = options.differences
        self.channels = 6 if options.differences else 3
        self.dropout = nn.Dropout(dropout)

    @property
    def head(self) -> nn.Linear:
        layer: nn.Linear = self.blocks[-1].proj  # type: ignore[assignment]
        return layer

    @head.setter
    def head(self, layer: nn.Linear) -> None:
        self.blocks[-1].proj = layer

    @property
    def last_stage(self) -> nn.Module:
        return self.blocks[-2]

    def seen(self, clips: Tensor) -> Tensor:
        """What the stem gets: normalised colours `(N, 3, T, H, W)`, or with frame differences `(N, 6, T, H, W)`."""
        if not self.differences:
            return self.normalise(clips)
        # joined before the channels go last, where joining takes a fifth of a step
        x = (clips.contiguous().to(self.mean.dtype) - self.mean) / self.std
        return torch.cat([x, frame_differences(x)], dim=1).contiguous(memory_format=self.memory_format)

    def features(self, clips: Tensor) -> Tensor:
        x = self.seen(clips)
        for block in self.blocks[:-1]:
            x = block(x)
        return x.mean(dim=(2, 3, 4))

    def forward(self, clips: Tensor) -> Tensor:
        made: Tensor = self.head(self.dropout(self.features(clips)))
        return made


def frame_differences(clips: Tensor, gain: float = 3.0) -> Tensor:
    """Each frame minus the one before it, `(N, 3, T, H, W)`; the first takes the second's.

    `gain` lifts them to about the spread of the colours: neighbouring frames differ little.
    """
    steps = clips[:, :, 1:] - clips[:, :, :-1]
    return gain * torch.cat([steps[:, :, :1], steps], dim=2)


def resnet(
    channels: int,
    classes: int,
    width: int,
    stem_kernel: Kernel,
    stem_stride: Kernel,
    pool_stride: Kernel,
    temporal_kernels: Sequence[Any],
    stage1_pool: type[nn.Module] | None,
) -> nn.ModuleList:
    """The blocks of a ResNet-50 for clips `(N, channels, T, H, W)`: stem, stages, head.

    `temporal_kernels`: of the first convolution in each stage's blocks; a list is gone round block by block.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pytorchvideo uses torch.jit.script, which newer versions call old
        from pytorchvideo.models.resnet import create_resnet
    made = create_resnet(
        input_channel=channels,
        model_num_class=classes,
        stem_dim_out=width,
        stem_conv_kernel_size=stem_kernel,
        stem_conv_stride=stem_stride,
        stem_pool_kernel_size=(1, 3, 3),
        stem_pool_stride=pool_stride,
        stage1_pool=stage1_pool,
        stage_conv_a_kernel_size=tuple(temporal_kernels),
        head_pool=nn.AdaptiveAvgPool3d,  # a fixed pool fails below 224 pixels
    )
    blocks: nn.ModuleList = made.blocks
    start_from_identity(blocks)
    return blocks


def start_from_identity(blocks: nn.Module) -> None:
    """He initialisation, and each residual block's last norm at zero: the block then starts as the identity.

    Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017, section 5.1. Without it the thin network
    hardly learns from a few thousand clips.
    """
    for name, module in blocks.named_modules():
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif name.endswith("norm_c"):
            nn.init.zeros_(module.weight)
