"""I3D with a ResNet-50 backbone, in MMAction2's 32x2 geometry or thin.

Carreira & Zisserman, "Quo Vadis, Action Recognition?", 2017. The geometry is MMAction2's
`i3d_imagenet-pretrained-r50_8xb8-32x2x1` (Apache-2.0): 5x7x7 stem of temporal stride 2, a pool of temporal
stride 2, another one after the first stage (32 → 16 → 8 → 4 frames), and temporal kernels in every other
block. Layers and parameter names are pytorchvideo's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from torch import nn

from trainer.models import _mmaction2, _resnet
from trainer.models._base import PublicFile, State, Weights, public_weights
from trainer.models._resnet import ResNetOptions, ResNetVictim, resnet
from trainer.presets.geometry import IMAGENET, KINETICS, Normalisation
from trainer.presets.preset import Augment, Preset, Recipe
from trainer.presets.sampling import Dense, Views

TEMPORAL_KERNELS = (
    (3, 1, 1),
    [(3, 1, 1), (1, 1, 1)],
    [(3, 1, 1), (1, 1, 1)],
    [(1, 1, 1), (3, 1, 1)],
)
"""Of the first convolution in the blocks of each stage; pytorchvideo goes round the lists."""


@dataclass(frozen=True)
class I3DOptions(ResNetOptions):
    """`stem_stride`, `pool_stride`: the steps in time of the stem and of the pool behind it."""

    stem_stride: int
    pool_stride: int


PAPER = Preset(
    name="paper",
    options=I3DOptions(width=64, differences=False, stem_stride=2, pool_stride=2),
    normalisation=IMAGENET,
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
    options=I3DOptions(width=64, differences=False, stem_stride=1, pool_stride=1),
    normalisation=KINETICS,
    sampling=Dense(8, 8),
)
MINI = Preset(
    name="mini",
    options=I3DOptions(width=16, differences=True, stem_stride=2, pool_stride=2),
    normalisation=KINETICS,
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

    public: ClassVar[dict[str, PublicFile]] = {
        "paper": _mmaction2.published(
            "i3d", "i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e_kinetics400-rgb", "20220812", "e213c223"
        ),
        "paper-8x8": PublicFile(f"{_resnet.ZOO}/I3D_8x8_R50.pyth", "Apache-2.0"),
    }

    def __init__(self, options: I3DOptions, normalisation: Normalisation, classes: int, dropout: float = 0.5) -> None:
        super().__init__(options, normalisation, classes, dropout)
        self.blocks = resnet(
            channels=self.channels,
            classes=classes,
            width=options.width,
            stem_kernel=(5, 7, 7),
            stem_stride=(options.stem_stride, 2, 2),
            pool_stride=(options.pool_stride, 2, 2),
            temporal_kernels=TEMPORAL_KERNELS,
            stage1_pool=nn.MaxPool3d,
        )

    @classmethod
    def recognise(cls, state: State) -> Weights | None:
        """MMAction2's I3D, by other names, and pytorchvideo's, by the same."""
        if "backbone.conv1.conv.weight" in state and state["backbone.conv1.conv.weight"].ndim == 5:
            state, preset, stride = _mmaction2.renamed(state, _our_name), PAPER, 2
        elif "blocks.0.conv.weight" in state and state["blocks.0.conv.weight"].shape[2] == 5:
            preset, stride = PAPER_8X8, 1
        else:
            return None
        width = state["blocks.0.conv.weight"].shape[0]
        fitting = replace(preset, options=I3DOptions(width, differences=False, stem_stride=stride, pool_stride=stride))
        return public_weights(cls.name, fitting, len(state.get("blocks.6.proj.bias", ())), state)


def _our_name(key: str) -> str | None:
    # block 2 is the pool after the first stage
    return _mmaction2.network_name(key, (1, 3, 4, 5)) or _mmaction2.head_name(key, "blocks.6")
