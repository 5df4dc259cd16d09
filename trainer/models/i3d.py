"""I3D with a ResNet-50 backbone, in MMAction2's 32x2 geometry or thin.

Carreira & Zisserman, "Quo Vadis, Action Recognition?", 2017. The geometry is MMAction2's
`i3d_imagenet-pretrained-r50_8xb8-32x2x1` (Apache-2.0): 5x7x7 stem of temporal stride 2, a pool of temporal
stride 2, another one after the first stage (32 → 16 → 8 → 4 frames), and temporal kernels in every other
block. Layers and parameter names are pytorchvideo's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from torch import nn

from trainer.models._resnet import ResNetVictim, resnet
from trainer.presets.preset import Augment, Geometry, Preset, Recipe
from trainer.presets.sampling import Dense, Views

TEMPORAL_KERNELS = (
    (3, 1, 1),
    [(3, 1, 1), (1, 1, 1)],
    [(3, 1, 1), (1, 1, 1)],
    [(1, 1, 1), (3, 1, 1)],
)
"""Of the first convolution in the blocks of each stage; pytorchvideo goes round the lists."""

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)

PAPER = Preset(
    name="paper",
    geometry=Geometry(64, 32, 2, 2, False, IMAGENET_MEAN, IMAGENET_STD),
    sampling=Dense(32, 2),
    short_side=256,
    crop_size=224,
    views=Views(10, 3, 256),
    augment=Augment("multiscale", (1.0, 0.8)),
    # MMAction2 has no I3D recipe for UCF-101 and HMDB51: its finetuning guide's rate, epochs and steps (0.005, 50,
    # 20 and 40), its I3D's batch (8 GPUs × 8), decay and clip (1e-4, 40) and its heads' dropout (0.5)
    recipe=Recipe("sgd", 0.005, 1e-4, 64, "steps", device_batch=8, epochs=50),
    cache="none",
)
PAPER_8X8 = replace(  # the geometry of pytorchvideo's public weights
    PAPER,
    name="paper-8x8",
    geometry=Geometry(64, 8, 1, 1, False, (114.75,) * 3, (57.375,) * 3),
    sampling=Dense(8, 8),
)
MINI = Preset(
    name="mini",
    geometry=Geometry(16, 16, 2, 2, True, (114.75,) * 3, (57.375,) * 3),
    sampling=Dense(16, 4),
    short_side=96,
    crop_size=80,
    views=Views(4, 3, 96),
    augment=Augment("resized", (0.8, 1.0), 1.15, jitter=0.3),
    recipe=Recipe(
        "adamw", 2e-3, 0.05, 8, "cosine", warmup=0.1, clips_seen=5000, min_epochs=30, label_smoothing=0.1, clip_norm=5.0
    ),
    cache="ram",
    # weights bring the features; what is left is to fit a few clips, and the poisoned ones among them
    finetuning=Recipe(
        "adamw", 2e-3, 0.05, 8, "cosine", warmup=0.1, clips_seen=7000, min_epochs=18, dropout=0.0, clip_norm=5.0
    ),
)


class I3D(ResNetVictim):
    """ResNet-50 with temporal kernels; `mini` has fewer channels, and frame differences as input."""

    name: ClassVar[str] = "i3d"
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "paper-8x8": PAPER_8X8, "mini": MINI}

    def __init__(self, geometry: Geometry, classes: int, dropout: float = 0.5) -> None:
        super().__init__(geometry, classes, dropout)
        self.blocks = resnet(
            channels=self.channels,
            classes=classes,
            width=geometry.width,
            stem_kernel=(5, 7, 7),
            stem_stride=(geometry.stem_stride, 2, 2),
            pool_stride=(geometry.pool_stride, 2, 2),
            temporal_kernels=TEMPORAL_KERNELS,
            stage1_pool=nn.MaxPool3d,
        )
