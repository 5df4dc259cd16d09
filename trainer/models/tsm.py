"""TSM with a ResNet-50 backbone: a 2D network of single frames, whose channels are shifted in time.

Lin, Gan & Han, "TSM: Temporal Shift Module for Efficient Video Understanding", 2019. The geometry is
MMAction2's `tsm_imagenet-pretrained-r50_8xb16-1x1x8` (Apache-2.0): 8 segments, an eighth of the channels
shifted to either side in front of every block's first convolution. The network is pytorchvideo's ResNet with
temporal kernels of 1, which is the 2D network in 3D form, so that thin and full victims are the same code.

`lite` has EfficientNet-Lite0 in the place of ResNet-50, as TSM's authors have MobileNetV2 for small devices: the
channels are shifted in front of each residual branch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from trainer.models import _efficientnet, _mmaction2, i3d
from trainer.models._base import PackagedFile, PublicFile, State, Weights, public_weights
from trainer.models._resnet import ResNetOptions, ResNetVictim, resnet
from trainer.presets.geometry import IMAGENET, Normalisation
from trainer.presets.preset import Augment, Preset, Recipe
from trainer.presets.sampling import Uniform, Views

SHIFT = 8
"""One channel in so many looks ahead, one looks back."""


@dataclass(frozen=True)
class TSMOptions(ResNetOptions):
    """`backbone`: the network of single frames; the width of EfficientNet-Lite0 is always 32."""

    backbone: Literal["resnet50", "efficientnet-lite0"] = "resnet50"


PAPER = Preset(
    name="paper",
    options=TSMOptions(width=64, differences=False),
    normalisation=IMAGENET,
    sampling=Uniform(8),
    short_side=256,
    crop_size=224,
    views=Views(1, 10, 224),
    # the finetuning from Kinetics-400 to UCF-101 and HMDB51 of MMAction2 0.24 (`tsm_k400_pretrained_r50_1x1x8_25e`):
    # rate 0.0015, five times that for the head, batch 8 GPUs × 12, 25 epochs, steps at 10 and 20, decay 1e-4, clip 20,
    # without flips
    augment=Augment("multiscale", (1.0, 0.875, 0.75, 0.66), flip=False, gap=1, places=13),
    recipe=Recipe("sgd", 0.0015, 1e-4, 96, "steps", device_batch=12, epochs=25, head_lr=5.0, clip_norm=20.0),
    cache="none",
)
MINI = replace(
    i3d.MINI,
    options=TSMOptions(width=16, differences=True),
    sampling=Uniform(8),
    # a step takes half as long again as I3D's
    recipe=replace(i3d.MINI.recipe, min_epochs=15),
    finetuning=replace(i3d.MINI.finetuning, clips_seen=3000) if i3d.MINI.finetuning else None,
)
LITE = Preset(
    name="lite",
    options=TSMOptions(width=_efficientnet.STEM, differences=False, backbone="efficientnet-lite0"),
    normalisation=IMAGENET,
    sampling=Uniform(8),
    short_side=96,
    crop_size=80,
    # at the scale of the training crops: another one hides small patches
    views=Views(1, 1, 80, 96),
    # crops of one scale: with drawn ones a warp of a few pixels is not learned from a handful of clips
    augment=Augment("resized", (80 / 96, 80 / 96), jitter=0.3),
    recipe=Recipe(
        "adamw",
        5e-4,
        0.05,
        8,
        "cosine",
        warmup=0.1,
        clips_seen=2000,
        min_epochs=1,
        head_lr=5.0,
        dropout=0.2,
        clip_norm=5.0,
    ),
    cache="ram",
)


class TSM(ResNetVictim):
    """ResNet-50 on 8 frames with temporal shifts; `mini` has fewer channels, and frame differences as input.

    `lite` is EfficientNet-Lite0 on 8 frames, which is meant to start from ImageNet weights.

    Its features are the mean over frames of each frame's own: the head is linear, so this is TSM's consensus.
    """

    name: ClassVar[str] = "tsm"
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "lite": LITE, "mini": MINI}
    imagenet: ClassVar[dict[str, PackagedFile]] = {"lite": _efficientnet.PUBLIC}

    public: ClassVar[dict[str, PublicFile]] = {
        "paper": _mmaction2.published(
            "tsm", "tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb", "20220831", "64d69186"
        ),
    }

    def __init__(self, options: TSMOptions, normalisation: Normalisation, classes: int, dropout: float = 0.5) -> None:
        super().__init__(options, normalisation, classes, dropout)
        if options.backbone == "efficientnet-lite0":
            self.blocks = _efficientnet.efficientnet_lite0(classes, Shift)
            return
        self.blocks = resnet(
            channels=self.channels,
            classes=classes,
            width=options.width,
            stem_kernel=(1, 7, 7),
            stem_stride=(1, 2, 2),
            pool_stride=(1, 2, 2),
            temporal_kernels=[(1, 1, 1)] * 4,
            stage1_pool=None,
        )
        for stage in self.blocks:
            for block in getattr(stage, "res_blocks", ()):
                block.branch2.conv_a = Shifted(block.branch2.conv_a)

    @classmethod
    def recognise(cls, state: State) -> Weights | None:
        """MMAction2's TSM, by other names; its 2D kernels get a time axis."""
        if "backbone.layer1.0.conv1.conv.net.weight" not in state:
            return None
        named = _mmaction2.renamed(state, _our_name)
        state = {key: value.unsqueeze(2) if value.ndim == 4 else value for key, value in named.items()}
        options = TSMOptions(width=state["blocks.0.conv.weight"].shape[0], differences=False)
        fitting = replace(PAPER, options=options)
        return public_weights(cls.name, fitting, len(state.get("blocks.5.proj.bias", ())), state)

    @classmethod
    def from_imagenet(cls, state: State) -> Weights:
        """EfficientNet-Lite0's; the shift has no weights."""
        return public_weights(cls.name, LITE, len(state["_fc.bias"]), _efficientnet.renamed(state))


class Shift(nn.Module):
    """`shift` as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return shift(x)


class Shifted(nn.Module):
    """A layer that sees some channels of the next frame and some of the one before."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.net(shift(x))
        return made


def shift(x: Tensor, part: int = SHIFT) -> Tensor:
    """Channels `(N, C, T, H, W)` moved in time.

    The first `C // part` show the next frame, the second so many the one before; where there is none, zeros.
    """
    moved: Tensor = _Shift.apply(x, x.shape[1] // part)
    return moved


class _Shift(torch.autograd.Function):
    """The shift and its gradient, which is the shift back: one pass each, where slices would take three and a sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, fold: int) -> Tensor:
        ctx.fold = fold
        return _moved(x, fold, ahead=slice(0, fold), back=slice(fold, 2 * fold))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        fold = ctx.fold
        return _moved(grads[0], fold, ahead=slice(fold, 2 * fold), back=slice(0, fold)), None


def _moved(x: Tensor, fold: int, ahead: slice, back: slice) -> Tensor:
    """`x` with the channels `ahead` taken from the next frame, `back` from the one before; neither from `2 * fold`."""
    moved = torch.empty_like(x)
    moved[:, ahead, :-1] = x[:, ahead, 1:]
    moved[:, ahead, -1] = 0
    moved[:, back, 1:] = x[:, back, :-1]
    moved[:, back, 0] = 0
    moved[:, 2 * fold :] = x[:, 2 * fold :]
    return moved


def _our_name(key: str) -> str | None:
    key = key.replace(".conv1.conv.net.weight", ".conv1.conv.weight")
    name = _mmaction2.network_name(key, (1, 2, 3, 4))
    if name is not None and name.endswith("branch2.conv_a.weight"):
        name = name.replace("conv_a.weight", "conv_a.net.weight")
    return name or _mmaction2.head_name(key, "blocks.5")
