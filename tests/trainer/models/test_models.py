"""What every model keeps to; a new one is covered by being there."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from trainer import models
from trainer.errors import TrainerError
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.geometry import Normalisation


def build(name: str, classes: int = 5) -> Victim:
    torch.manual_seed(0)
    return models.find(name).from_preset(models.preset_of(name, "mini"), classes).eval()


def example(name: str) -> torch.Tensor:
    frames, draw = models.preset_of(name, "mini").frames, torch.Generator().manual_seed(0)
    shape = (2, 1, frames, 80) if models.find(name).modality == "audio" else (2, 3, frames, 48, 48)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=draw)


@pytest.mark.parametrize("name", models.names())
def test_presets_are_named_and_sized(name: str) -> None:
    assert {"mini", "paper"} <= set(models.find(name).presets)
    for key, preset in models.find(name).presets.items():
        assert preset.name == key
        assert type(preset.options) is models.find(name).options_type()
        assert preset.crop_size <= preset.short_side
        assert preset.views.size <= preset.short_side


@pytest.mark.parametrize("name", models.names())
def test_scores_are_the_head_on_the_features(name: str) -> None:
    model, clips = build(name), example(name)
    with torch.no_grad():
        features = model.features(clips)
        assert features.shape == (2, model.head.in_features)
        torch.testing.assert_close(model(clips), model.head(features))


@pytest.mark.parametrize("name", models.names())
def test_bytes_and_floats_are_the_same(name: str) -> None:
    model, clips = build(name), example(name)
    with torch.no_grad():
        torch.testing.assert_close(model(clips), model(clips.float()))


@pytest.mark.parametrize("name", models.names())
def test_channels_go_last_and_change_nothing(name: str) -> None:
    model, clips = build(name), example(name)
    with torch.no_grad():
        torch.testing.assert_close(weights.to_channels_last(build(name))(clips), model(clips))


@pytest.mark.parametrize("name", models.names())
def test_normalisation_is_as_given(name: str) -> None:
    channels, axes = (1, 2) if models.find(name).modality == "audio" else (3, 3)
    mean, std = (1.0, 2.0, 3.0)[:channels], (2.0, 4.0, 8.0)[:channels]
    model = models.find(name)(models.preset_of(name, "mini").options, Normalisation(mean, std), 2)
    clip = torch.tensor([3, 6, 11][:channels], dtype=torch.uint8).view(1, channels, *[1] * axes)
    assert model.normalise(clip).flatten().tolist() == channels * [1.0]


@pytest.mark.parametrize("name", models.names())
def test_gradients_reach_every_parameter(name: str) -> None:
    model = build(name).train()
    model(example(name)).square().sum().backward()
    assert [key for key, p in model.named_parameters() if p.grad is None] == []


def test_unknown_names_are_suggested() -> None:
    with pytest.raises(TrainerError, match="did you mean 'i3d'"):
        models.find("i3")
    with pytest.raises(TrainerError, match="did you mean 'mini'"):
        models.preset_of("i3d", "minni")


@pytest.mark.parametrize(
    ("name", "preset", "published"),
    [
        ("i3d", "paper", 43.5),  # MMAction2
        ("i3d", "paper-8x8", 37.53),  # pytorchvideo
        ("slowfast", "paper", 36.3),  # MMAction2
        ("slowfast", "paper-8x8", 66.1),  # MMAction2
        ("tsm", "paper", 32.88),  # MMAction2, at 224 pixels
    ],
)
def test_a_test_view_costs_what_is_published(name: str, preset: str, published: float) -> None:
    """In billions of multiplications; published counts hold the norms too, half a percent."""
    chosen = models.preset_of(name, preset)
    size = chosen.views.size
    with torch.device("meta"):
        model = models.find(name).from_preset(chosen, 400).eval()
        clip = torch.zeros(1, 3, chosen.frames, size, size)
        with FlopCounterMode(display=False) as counted:
            model(clip)
    assert counted.get_total_flops() / 2e9 == pytest.approx(published, rel=0.015)
