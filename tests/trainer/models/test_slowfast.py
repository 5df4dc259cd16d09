"""SlowFast: published sizes, which frames the slow path sees, and both forms of lateral fusion."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from trainer import models
from trainer.models.slowfast import SlowFast, slow_frames


@pytest.mark.parametrize(("preset", "millions"), [("paper", 34.48), ("paper-8x8", 34.57)])
def test_paper_has_the_published_size(preset: str, millions: float) -> None:
    with torch.device("meta"):
        model = SlowFast.from_preset(models.preset_of("slowfast", preset), 400)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.005)
    assert model.head.in_features == 2304


def test_mmaction2s_form_has_neither_norm_nor_activation_after_the_lateral_convolutions() -> None:
    preset = models.preset_of("slowfast", "paper")
    bare = replace(preset, options=replace(preset.options, fusion_norm=False))  # type: ignore[call-arg]
    with torch.device("meta"):
        ours, theirs = SlowFast.from_preset(preset, 5), SlowFast.from_preset(bare, 5)
    assert [k for k in ours.state_dict() if "fusion.norm" in k]
    assert not [k for k in theirs.state_dict() if "fusion.norm" in k]
    assert theirs.blocks[0].multipathway_fusion.activation is None


def test_the_slow_path_sees_few_frames() -> None:
    assert slow_frames(32, 4, spread=True).tolist() == [0, 4, 8, 13, 17, 22, 26, 31]  # pytorchvideo's
    assert slow_frames(32, 4, spread=False).tolist() == list(range(0, 32, 4))  # MMAction2's
    with torch.device("meta"):
        alphas = {name: SlowFast.from_preset(preset, 2).alpha for name, preset in SlowFast.presets.items()}
    assert alphas == {"paper": 8, "paper-8x8": 4, "mini": 4}


def test_features_are_the_slow_paths_then_the_fast_ones() -> None:
    model = SlowFast.from_preset(models.preset_of("slowfast", "mini"), 3).eval()
    shapes: list[tuple[int, ...]] = []
    model.blocks[-3].register_forward_hook(lambda module, given, made: shapes.extend(tuple(m.shape[1:3]) for m in made))
    with torch.no_grad():
        features = model.features(torch.zeros(1, 3, 16, 64, 64))
    assert shapes == [(512, 4), (64, 16)]
    assert features.shape == (1, 576)
