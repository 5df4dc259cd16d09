"""What a training and its test will take on this machine, from a few timed steps."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from trainer import models
from trainer.data.frame_stores import bytes_of_frames
from trainer.manifest import Manifest
from trainer.models import weights
from trainer.presets.preset import Preset, Recipe
from trainer.presets.sampling import Views
from trainer.runs.folder import Settings
from trainer.training import lightning_module

REPEATS = 2


class Estimate(msgspec.Struct, frozen=True):
    """Of a run that was not made: `seconds` of training and test without reading clips, `cache_bytes` of decoded clips.

    `views` counts the most: short clips have fewer windows.
    """

    model: str
    preset: str
    device: str
    parameters: int
    clips: int
    epochs: int
    steps: int
    test_clips: int
    views: int
    seconds: dict[str, float]
    cache_bytes: int


def estimate(manifest: Manifest, preset: Preset, recipe: Recipe, settings: Settings, views: Views) -> Estimate:
    """Time `REPEATS` steps on noise of the right shape, after one that is not counted, and multiply."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = models.find(settings.model).from_preset(preset, len(manifest.classes), recipe.dropout)
    model = weights.to_channels_last(model).to(device)
    optimizer = lightning_module.build_optimizer(model, recipe)
    at_once = min(settings.batch_size, recipe.device_batch or settings.batch_size, 8)
    train, tests = manifest.split("train"), [s for s in manifest.samples if s.split != "train"]

    def noise(clips: int, size: int) -> Tensor:
        if model.modality == "audio":
            return torch.rand(clips, 1, preset.frames, size, device=device)
        shape = (clips, 3, preset.frames, size, size)
        return torch.randint(256, shape, dtype=torch.uint8, device=device)

    def step() -> None:
        labels = torch.zeros(at_once, dtype=torch.long, device=device)
        with torch.autocast(device.type, torch.bfloat16, enabled=settings.precision != "32"):
            loss = cross_entropy(model(noise(at_once, preset.crop_size)), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def test() -> None:
        with torch.inference_mode():
            model(noise(1, views.size))

    a_clip = _seconds(model.train(), step, device) / at_once
    a_view = _seconds(model.eval(), test, device)
    count = views.windows * views.crops
    steps = -(-len(train) // settings.batch_size) * settings.epochs
    seconds = {"train": a_clip * len(train) * settings.epochs, "test": a_view * len(tests) * count}
    return Estimate(
        model=settings.model,
        preset=preset.name,
        device=torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {torch.get_num_threads()} threads",
        parameters=sum(p.numel() for p in model.parameters()),
        clips=len(train),
        epochs=settings.epochs,
        steps=steps,
        test_clips=len(tests),
        views=count,
        seconds={name: round(value, 3) for name, value in seconds.items()},
        cache_bytes=0 if model.modality == "audio" else bytes_of_frames(train, preset.short_side),
    )


def _seconds(model: torch.nn.Module, work: Callable[[], None], device: torch.device) -> float:
    work()
    start = time.perf_counter()
    for _ in range(REPEATS):
        work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / REPEATS
