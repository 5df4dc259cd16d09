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

from trainer.models import i3d
from trainer.models._resnet import ResNetVictim, start_from_identity
from trainer.presets.preset import Augment, Geometry, Preset

FAST = 8
"""The fast path has a channel for so many of the slow one's (1 / beta)."""
KINETICS_MEAN, KINETICS_STD = (114.75,) * 3, (57.375,) * 3

# MMAction2 has no SlowFast recipe for UCF-101 and HMDB51: I3D's, which follows its finetuning guide, with the crops of
# its SlowFast for Kinetics-400
PAPER = replace(
    i3d.PAPER,
    geometry=Geometry(64, 32, 1, 1, False, KINETICS_MEAN, KINETICS_STD, alpha=8, fusion_kernel=5),
    augment=Augment("area", (0.08, 1.0), 4 / 3),
)
PAPER_8X8 = replace(PAPER, name="paper-8x8", geometry=replace(PAPER.geometry, alpha=4, fusion_kernel=7))
MINI = replace(
    i3d.MINI,
    geometry=replace(i3d.MINI.geometry, stem_stride=1, pool_stride=1, alpha=4, fusion_kernel=5),
    # a step takes more than twice as long as I3D's
    recipe=replace(i3d.MINI.recipe, min_epochs=15),
    finetuning=replace(i3d.MINI.finetuning, clips_seen=2500) if i3d.MINI.finetuning else None,
)


class SlowFast(ResNetVictim):
    """4 slow and 32 fast frames; `mini` has fewer channels, and frame differences as input of both paths."""

    name: ClassVar[str] = "slowfast"
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "paper-8x8": PAPER_8X8, "mini": MINI}
    last_stage_name: ClassVar[str] = "the slow path's last convolutional stage"

    def __init__(self, geometry: Geometry, classes: int, dropout: float = 0.5) -> None:
        super().__init__(geometry, classes, dropout)
        self.geometry = geometry
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
            input_channels=(self.channels, self.channels),
            model_num_class=classes,
            stem_dim_outs=(geometry.width, geometry.width // FAST),
            head_pool=nn.AdaptiveAvgPool3d,
            head_output_size=(1, 1, 1),
        ).blocks
        start_from_identity(self.blocks)

    @property
    def last_stage(self) -> nn.Module:
        """The slow path's: the fast one has an eighth of its channels."""
        paths: Any = self.blocks[-3]
        stage: nn.Module = paths.multipathway_blocks[0]
        return stage

    def features(self, clips: Tensor) -> Tensor:
        """The slow path's pooled features, then the fast one's."""
        x = self.seen(clips)
        paths: Any = [x[:, :, slow_frames(x.shape[2], self.geometry)], x]
        for block in self.blocks[:-2]:
            paths = block(paths)
        return torch.cat([path.mean(dim=(2, 3, 4)) for path in paths], dim=1)


def slow_frames(frames: int, geometry: Geometry) -> Tensor:
    """The places of the slow path's frames among the fast one's, int64.

    pytorchvideo spreads them from the first frame to the last; MMAction2 takes every `alpha`-th.
    """
    count = frames // geometry.alpha
    if geometry.fusion_norm:
        return torch.linspace(0, frames - 1, count).long()
    return torch.arange(count) * geometry.alpha
