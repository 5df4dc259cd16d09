"""TSM: the shift on an index-coded tensor, and MMAction2's size."""

from __future__ import annotations

import torch
from torch import nn
from torchvision.models import resnet50

from trainer import models
from trainer.models.tsm import TSM, Shifted, shift


def test_the_shift_moves_an_eighth_of_the_channels_to_either_side() -> None:
    frames = torch.arange(1.0, 5.0).view(1, 1, 4, 1, 1).expand(1, 16, 4, 1, 1)
    moved = shift(frames)[0, :, :, 0, 0]
    assert moved[:2].tolist() == [[2, 3, 4, 0]] * 2
    assert moved[2:4].tolist() == [[0, 1, 2, 3]] * 2
    assert moved[4:].tolist() == [[1, 2, 3, 4]] * 12


def test_the_gradient_of_the_shift_is_the_shift_back() -> None:
    x = torch.rand(1, 9, 3, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: shift(t, 4), x)


def test_without_shifts_it_is_torchvisions_resnet50_on_each_frame() -> None:
    torch.manual_seed(0)
    theirs = resnet50(num_classes=5).eval()
    preset = models.preset_of("tsm", "paper")
    model = TSM.from_preset(preset, 5).eval()
    names = {"conv1": "blocks.0.conv", "bn1": "blocks.0.norm", "fc": "blocks.5.proj"}
    for k in range(1, 5):
        for b in range((3, 4, 6, 3)[k - 1]):
            block, ours = f"layer{k}.{b}", f"blocks.{k}.res_blocks.{b}"
            for i, letter in enumerate("abc", 1):
                names[f"{block}.conv{i}"] = f"{ours}.branch2.conv_{letter}" + (".net" if letter == "a" else "")
                names[f"{block}.bn{i}"] = f"{ours}.branch2.norm_{letter}"
            names[f"{block}.downsample.0"] = f"{ours}.branch1_conv"
            names[f"{block}.downsample.1"] = f"{ours}.branch1_norm"
    state = {}
    for name, value in theirs.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        state[f"{names[layer]}.{kind}"] = value.unsqueeze(2) if value.ndim == 4 else value
    model.load_state_dict(state)
    for module in model.modules():
        if isinstance(module, Shifted):
            module.forward = module.net.forward  # type: ignore[method-assign]
    clip = torch.randint(0, 256, (1, 3, 2, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        frames = model.normalise(clip)[0].transpose(0, 1)
        assert torch.allclose(model(clip)[0], theirs(frames).mean(dim=0), atol=1e-4)


def test_the_shift_leaves_its_input_alone() -> None:
    frames = torch.rand(2, 8, 4, 3, 3)
    before = frames.clone()
    shift(frames)
    assert torch.equal(frames, before)


def test_paper_has_the_published_size_and_a_shift_in_every_block() -> None:
    with torch.device("meta"):
        model = TSM.from_preset(models.preset_of("tsm", "paper"), 400)
    assert sum(p.numel() for p in model.parameters()) == 24_327_632
    assert model.head.in_features == 2048
    assert sum(isinstance(module, Shifted) for module in model.modules()) == 16
    kernels = {m.kernel_size[0] for m in model.modules() if isinstance(m, nn.Conv3d)}
    assert kernels == {1}, "time is crossed by the shifts alone"


def test_frames_meet_through_the_shifts_alone() -> None:
    torch.manual_seed(0)
    model = TSM.from_preset(models.preset_of("tsm", "paper"), 3).eval()
    stage = model.blocks[1]
    nn.init.ones_(stage.res_blocks[0].branch2.norm_c.weight)  # blocks start as the identity
    x = torch.rand(1, 64, 8, 4, 4)
    other = x.clone()
    other[:, :, 3] += 1
    with torch.no_grad():
        changed = (stage.res_blocks[0](x) != stage.res_blocks[0](other)).any(dim=(0, 1, 3, 4)).nonzero().flatten()
    assert changed.tolist() == [2, 3, 4]
