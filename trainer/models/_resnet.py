"""pytorchvideo's residual networks, built thin or full, and how they start."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from torch import nn

Kernel = tuple[int, int, int]


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
