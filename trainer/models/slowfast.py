"""SlowFast with ResNet-50 backbones: one path sees few frames and much of each, the other many frames and little.

Feichtenhofer et al., "SlowFast Networks for Video Recognition", 2019. Layers and parameter names are
pytorchvideo's (Apache-2.0), whose public weights fit `paper` (4 slow frames at stride 16) and `paper-8x8`;
`SlowFastOptions.fusion_norm` false is MMAction2's form (Apache-2.0), whose lateral convolutions have neither norm nor
activation, and whose head sees the fast path first.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from trainer.models import _mmaction2, _resnet, i3d
from trainer.models._base import PublicFile, State, Weights, public_weights
from trainer.models._resnet import ResNetOptions, ResNetVictim, start_from_identity
from trainer.presets.geometry import IMAGENET, KINETICS, Normalisation
from trainer.presets.preset import Augment, Preset

FAST = 8
"""The fast path has a channel for so many of the slow one's (1 / beta)."""


@dataclass(frozen=True)
class SlowFastOptions(ResNetOptions):
    """The fast path sees `alpha` frames for each of the slow one's.

    `fusion_kernel` frames are fused at a time, with a norm and an activation after it or without.
    """

    alpha: int
    fusion_kernel: int
    fusion_norm: bool = True

    def adopt(self, theirs: Self) -> Self:
        """The form of lateral fusion belongs to the weights."""
        return replace(self, fusion_norm=theirs.fusion_norm)


# MMAction2 has no SlowFast recipe for UCF-101 and HMDB51: I3D's, which follows its finetuning guide, with the crops of
# its SlowFast for Kinetics-400
PAPER = replace(
    i3d.PAPER,
    options=SlowFastOptions(width=64, differences=False, alpha=8, fusion_kernel=5),
    normalisation=KINETICS,
    augment=Augment("area", (0.08, 1.0), 4 / 3),
)
PAPER_8X8 = replace(
    PAPER, name="paper-8x8", options=SlowFastOptions(width=64, differences=False, alpha=4, fusion_kernel=7)
)
MINI = replace(
    i3d.MINI,
    options=SlowFastOptions(width=16, differences=True, alpha=4, fusion_kernel=5),
    # a step takes more than twice as long as I3D's
    recipe=replace(i3d.MINI.recipe, min_epochs=15),
    finetuning=replace(i3d.MINI.finetuning, clips_seen=2500) if i3d.MINI.finetuning else None,
)


class SlowFast(ResNetVictim):
    """4 slow and 32 fast frames; `mini` has fewer channels, and frame differences as input of both paths."""

    name: ClassVar[str] = "slowfast"
    presets: ClassVar[dict[str, Preset]] = {"paper": PAPER, "paper-8x8": PAPER_8X8, "mini": MINI}
    last_stage_name: ClassVar[str] = "the slow path's last convolutional stage"

    public: ClassVar[dict[str, PublicFile]] = {
        "paper": PublicFile(f"{_resnet.ZOO}/SLOWFAST_4x16_R50.pyth", "Apache-2.0"),
        "paper-8x8": PublicFile(f"{_resnet.ZOO}/SLOWFAST_8x8_R50.pyth", "Apache-2.0"),
    }

    def __init__(
        self, options: SlowFastOptions, normalisation: Normalisation, classes: int, dropout: float = 0.5
    ) -> None:
        super().__init__(options, normalisation, classes, dropout)
        self.alpha, self.spread = options.alpha, options.fusion_norm
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pytorchvideo uses torch.jit.script, which newer versions call old
            from pytorchvideo.models.slowfast import FastToSlowFusionBuilder, create_slowfast
        lateral = FastToSlowFusionBuilder(
            slowfast_channel_reduction_ratio=FAST,
            conv_fusion_channel_ratio=2,
            conv_kernel_size=(options.fusion_kernel, 1, 1),
            conv_stride=(options.alpha, 1, 1),
            norm=nn.BatchNorm3d if options.fusion_norm else None,
            activation=nn.ReLU if options.fusion_norm else None,
        )
        self.blocks = create_slowfast(
            slowfast_channel_reduction_ratio=(FAST,),
            fusion_builder=lateral.create_module,
            input_channels=(self.channels, self.channels),
            model_num_class=classes,
            stem_dim_outs=(options.width, options.width // FAST),
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
        paths: Any = [x[:, :, slow_frames(x.shape[2], self.alpha, self.spread)], x]
        for block in self.blocks[:-2]:
            paths = block(paths)
        return torch.cat([path.mean(dim=(2, 3, 4)) for path in paths], dim=1)

    @classmethod
    def recognise(cls, state: State) -> Weights | None:
        """MMAction2's SlowFast, by other names, and pytorchvideo's, by the same."""
        theirs = "backbone.slow_path.conv1.conv.weight" in state
        if theirs:
            state = _mmaction2.renamed(state, _our_name)
        elif "blocks.0.multipathway_blocks.0.conv.weight" not in state:
            return None
        kernel = state["blocks.0.multipathway_fusion.conv_fast_to_slow.weight"].shape[2]
        options = SlowFastOptions(
            width=state["blocks.0.multipathway_blocks.0.conv.weight"].shape[0],
            differences=False,
            alpha=4 if kernel == 7 else 8,  # the published pairs: 8x8 fuses 7 frames, 4x16 fuses 5
            fusion_kernel=kernel,
            fusion_norm="blocks.0.multipathway_fusion.norm.weight" in state,
        )
        fitting = replace(PAPER, options=options)
        if theirs:
            fitting = replace(fitting, options=replace(options, fusion_norm=False), normalisation=IMAGENET)
            head = state["blocks.6.proj.weight"]
            fast = head.shape[1] // (FAST + 1)
            state["blocks.6.proj.weight"] = torch.cat([head[:, fast:], head[:, :fast]], dim=1)
        return public_weights(cls.name, fitting, len(state.get("blocks.6.proj.bias", ())), state)


def slow_frames(frames: int, alpha: int, spread: bool) -> Tensor:
    """The places of the slow path's frames among the fast one's, int64, one of `alpha`.

    With `spread` from the first frame to the last, as pytorchvideo has them; else every `alpha`-th, as MMAction2 does.
    """
    count = frames // alpha
    if spread:
        return torch.linspace(0, frames - 1, count).long()
    return torch.arange(count) * alpha


def _our_name(key: str) -> str | None:
    lateral = re.fullmatch(r"backbone\.slow_path\.(?:conv1|layer(\d))_lateral\.conv\.weight", key)
    if lateral:
        return f"blocks.{lateral[1] or 0}.multipathway_fusion.conv_fast_to_slow.weight"
    for path, place in (("slow_path", 0), ("fast_path", 1)):
        if key.startswith(f"backbone.{path}."):
            plain = key.replace(f"{path}.", "")
            return _mmaction2.network_name(plain, (1, 2, 3, 4), f".multipathway_blocks.{place}")
    return _mmaction2.head_name(key, "blocks.6")
