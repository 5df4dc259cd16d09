"""SlowFast with ResNet-50 backbones: one path sees few frames and much of each, the other many frames and little.

Feichtenhofer et al., "SlowFast Networks for Video Recognition", 2019. Layers and parameter names are
pytorchvideo's (Apache-2.0), whose public weights fit `paper` (4 slow frames at stride 16) and `paper-8x8`;
`Geometry.fusion_norm` false is MMAction2's form, whose lateral convolutions have neither norm nor activation.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainer.models._base import Victim
from trainer.models._resnet import start_from_identity
from trainer.models.i3d import frame_differences
from trainer.presets import Augment, Geometry, Preset, Recipe
from trainer.sampling import Dense, Views

FAST = 8
"""The fast path has a channel for so many of the slow one's (1 / beta)."""
KINETICS_MEAN, KINETICS_STD = (114.75,) * 3, (57.375,) * 3

PAPER = Preset(
    name="paper",
    geometry=Geometry(64, 32, 1, 1, False, KINETICS_MEAN, KINETICS_STD, alpha=8, fusion_kernel=5),
    sampling=Dense(32, 2),
    short_side=256,
    crop_size=224,
    views=Views(10, 3, 256),
    augment=Augment("multiscale", (1.0, 0.8)),
    # MMAction2 has no SlowFast recipe for UCF-101 and HMDB51: its finetuning guide's rate and steps
    recipe=Recipe("sgd", 0.005, 1e-4, 64, "steps", epochs=50),
    cache="none",
)
PAPER_8X8 = replace(PAPER, name="paper-8x8", geometry=replace(PAPER.geometry, alpha=4, fusion_kernel=7))
MINI = Preset(
    name="mini",
    geometry=Geometry(16, 16, 1, 1, True, KINETICS_MEAN, KINETICS_STD, alpha=4, fusion_kernel=5),
    sampling=Dense(16, 4),
    short_side=96,
    crop_size=80,
    views=Views(4, 3, 96),
    augment=Augment("resized", (0.8, 1.0), 1.15, jitter=0.3),
    recipe=Recipe("adamw", 2e-3, 0.05, 8, "cosine", warmup=0.1, clips_seen=5000, min_epochs=36, clip_norm=5.0),
    cache="ram",
    finetuning=Recipe(
        "adamw", 2e-3, 0.05, 8, "cosine", warmup=0.1, clips_seen=7000, min_epochs=18, dropout=0.0, clip_norm=5.0
    ),
)


class SlowFast(Victim):
    """4 slow and 32 fast frames; `mini` has fewer channels, and frame differences as input of both paths."""

    name: ClassVar[str] = "slowfast"
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "paper-8x8": PAPER_8X8, "mini": MINI}

    def __init__(self, geometry: Geometry, classes: int, dropout: float = 0.5) -> None:
        super().__init__(geometry, classes, dropout)
        self.geometry = geometry
        self.dropout = nn.Dropout(dropout)
        channels = 6 if geometry.differences else 3
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytorchvideo uses torch.jit.script, which newer versions call old
            from pytorchvideo.models.slowfast import FastToSlowFusionBuilder, create_slowfast
        lateral = FastToSlowFusionBuilder(
            slowfast_channel_reduction_ratio=FAST,
            conv_fusion_channel_ratio=2,
            conv_kernel_size=(geometry.fusion_kernel, 1, 1),
            conv_stride=(geometry.alpha, 1, 1),
            norm=nn.BatchNorm3d if geometry.fusion_norm else None,
            activation=nn.ReLU if geometry.fusion_norm else None,
        )
        self.blocks = create_slowfast(
            slowfast_channel_reduction_ratio=(FAST,),
            fusion_builder=lateral.create_module,
            input_channels=(channels, channels),
            model_num_class=classes,
            stem_dim_outs=(geometry.width, geometry.width // FAST),
            head_pool=nn.AdaptiveAvgPool3d,
            head_output_size=(1, 1, 1),
        ).blocks
        start_from_identity(self.blocks)

    @property
    def head(self) -> nn.Linear:
        return self.blocks[-1].proj

    @head.setter
    def head(self, layer: nn.Linear) -> None:
        self.blocks[-1].proj = layer

    def features(self, clips: Tensor) -> Tensor:
        """The slow path's pooled features, then the fast one's."""
        x = self.normalise(clips)
        if self.geometry.differences:
            x = torch.cat([x, frame_differences(x)], dim=1)
        paths: Any = [x[:, :, slow_frames(x.shape[2], self.geometry)], x]
        for block in self.blocks[:-2]:
            paths = block(paths)
        return torch.cat([path.mean(dim=(2, 3, 4)) for path in paths], dim=1)

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.dropout(self.features(clips)))


def slow_frames(frames: int, geometry: Geometry) -> Tensor:
    """The places of the slow path's frames among the fast one's, int64.

    pytorchvideo spreads them from the first frame to the last; MMAction2 takes every `alpha`-th.
    """
    count = frames // geometry.alpha
    if geometry.fusion_norm:
        return torch.linspace(0, frames - 1, count).long()
    return torch.arange(count) * geometry.alpha
