"""Tiny lossless clips whose frames tell their own index, and manifests over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.conftest import write_lossless
from trainer import manifest as manifests
from trainer import models
from trainer.evaluation import evaluate
from trainer.models import weights
from trainer.presets.sampling import Views
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Settings

Frames = NDArray[np.uint8]


def coded_frames(count: int, height: int = 32, width: int = 48, shade: int = 0) -> Frames:
    """Frames whose red is their index, green the row, blue the column (plus `shade`)."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[..., 0] = np.arange(count)[:, None, None]
    frames[..., 1] = np.arange(height)[None, :, None] + shade
    frames[..., 2] = np.arange(width)[None, None, :] + shade
    return frames


def sample(identity: str, split: str = "train", label: int = 0, num_frames: int = 20, **more: Any) -> dict[str, Any]:
    """A manifest's sample over a clip of `coded_frames`."""
    return {
        "id": identity,
        "path": f"{identity}.mp4",
        "split": split,
        "label": label,
        "true_label": label,
        "poisoned": False,
        "num_frames": num_frames,
        "fps": 30.0,
        "width": 48,
        "height": 32,
        **more,
    }


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Tiny tensors gain nothing from threads, and on a busy machine lose much."""
    torch.set_num_threads(1)


@pytest.fixture
def write_manifest(tmp_path: Path) -> Callable[..., Path]:
    """Gives a function that writes a manifest; keyword arguments replace header fields."""

    def write(samples: list[dict[str, Any]], **header: Any) -> Path:
        content = {
            "schema": "poisonkit/manifest/1",
            "name": "toy",
            "root": "data",
            "classes": ["left", "right"],
            "seed": 0,
            "target": None,
            "samples": samples,
            **header,
        }
        path = tmp_path / "toy.json"
        path.write_text(json.dumps(content))
        return path

    return write


def moving_bar(label: int, shift: int, count: int = 20) -> Frames:
    """A bright bar that stands (label 0) or moves (label 1), starting at `shift`."""
    frames = np.full((count, 32, 48, 3), 40, np.uint8)
    for k in range(count):
        column = (shift + 2 * k * label) % 44
        frames[k, :, column : column + 4] = 220
    return frames


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of clips in which a bar stands or moves: 8 for training, and 4 in each test split."""
    folder = tmp_path_factory.mktemp("bars")
    samples = []
    for split, count in (("train", 8), ("test", 4), ("test_triggered", 4), ("test_sham", 2)):
        for k in range(count):
            label = k % 2
            prefix = f"{split}/" if split.startswith("test_") else f"{split}-"
            samples.append(sample(f"{prefix}{k}", split, label))
            write_lossless(folder / "data" / f"{prefix}{k}.mp4", moving_bar(label, 5 * k))
    content = {
        "schema": "poisonkit/manifest/1",
        "name": "bars",
        "root": "data",
        "classes": ["standing", "moving"],
        "target": {"label": 0, "name": "standing"},
        "samples": samples,
    }
    (folder / "bars.json").write_text(json.dumps(content))
    return folder / "bars.json"


def untrained_run(folder: Path, manifest: Path, model: str = "i3d") -> Path:
    """A finished run whose weights are as they were drawn: complete, real, and made in a second."""
    read = manifests.load(manifest)
    preset = models.preset_of(model, "mini")
    torch.manual_seed(0)
    victim = models.find(model).from_preset(preset, len(read.classes))
    stamp = ManifestStamp(read.name, read.sha256, str(manifest))
    settings = Settings(
        manifest=stamp,
        model=model,
        preset="mini",
        weights="none",
        seed=0,
        epochs=1,
        batch_size=8,
        accumulate=1,
        lr=0.002,
        devices=1,
        precision="32",
        recipe=preset.digest(weights=False),
        versions={},
    )
    runs.claim(folder, settings)
    weights.save(victim.weights(preset, read.classes), folder / "weights.pt")
    views = Views(1, 1, preset.views.size)
    evaluate.score(victim, read, settings, views, folder, {}, Progress())
    return folder
