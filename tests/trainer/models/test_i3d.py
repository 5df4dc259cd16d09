"""I3D: MMAction2's geometry at full size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from trainer import models
from trainer.models._resnet import frame_differences
from trainer.models.i3d import I3D


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_paper_has_the_published_size() -> None:
    model = I3D.from_preset(models.preset_of("i3d", "paper"), 400)
    assert count(model) == 28_043_472  # MMAction2 prints 28.0 M
    assert model.head.in_features == 2048


def test_paper_halves_time_three_times() -> None:
    """32 → 16 → 8 → 4 frames, and 64 pixels to 2; a meta device computes shapes only."""
    with torch.device("meta"):
        model = I3D.from_preset(models.preset_of("i3d", "paper"), 400)
        x = torch.empty(1, 3, 32, 64, 64)
    shapes = []
    for block in model.blocks[:-1]:
        x = block(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        (64, 8, 16, 16),  # stem and its pool
        (256, 8, 16, 16),
        (256, 4, 16, 16),  # the pool after the first stage
        (512, 4, 8, 8),
        (1024, 4, 4, 4),
        (2048, 4, 2, 2),
    ]


def test_temporal_kernels_are_mmaction2s() -> None:
    model = I3D.from_preset(models.preset_of("i3d", "paper"), 400)
    stages = [block for block in model.blocks if hasattr(block, "res_blocks")]
    inflated = [[b.branch2.conv_a.kernel_size[0] for b in stage.res_blocks] for stage in stages]
    assert inflated == [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1]]


def test_mini_is_the_same_but_thin() -> None:
    preset = models.preset_of("i3d", "mini")
    with torch.device("meta"):
        mini, paper = I3D.from_preset(preset, 7), I3D.from_preset(models.preset_of("i3d", "paper"), 7)
    assert list(mini.state_dict()) == list(paper.state_dict())
    assert mini.head.in_features == 32 * preset.options.width  # type: ignore[attr-defined]
    assert count(mini) < 2_000_000


def test_frame_differences() -> None:
    clips = torch.tensor([1.0, 4.0, 2.0, 2.0]).view(1, 1, 4, 1, 1)
    assert frame_differences(clips, gain=2.0).flatten().tolist() == [6.0, 6.0, -4.0, 0.0]


def test_repeated_frames_show_in_mini() -> None:
    """A frozen clip has no differences: brightness alone decides."""
    assert frame_differences(torch.rand(1, 3, 1, 4, 4).expand(-1, -1, 5, -1, -1)).abs().max() == 0


def test_blocks_start_as_the_identity() -> None:
    """The last norm of each block is zero, so a stage's second block passes on what it gets."""
    torch.manual_seed(0)
    stage = I3D.from_preset(models.preset_of("i3d", "mini"), 3).blocks[1]
    x = torch.rand(2, 64, 2, 4, 4)
    torch.testing.assert_close(stage.res_blocks[1](x), x)


@pytest.mark.parametrize("size", [32, 80, 96])
def test_any_picture_size_will_do(size: int) -> None:
    preset = models.preset_of("i3d", "mini")
    model = I3D.from_preset(preset, 3).eval()
    with torch.no_grad():
        assert model(torch.zeros(1, 3, preset.frames, size, size)).shape == (1, 3)
