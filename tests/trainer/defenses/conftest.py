"""A constructed victim with a backdoor, one without, and cases whose features have a known answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from msgspec.structs import replace as changed
from torch import Tensor, nn

from tests.conftest import write_lossless
from tests.trainer.conftest import Frames, sample
from trainer import manifest as manifests
from trainer import models
from trainer.defenses import _case
from trainer.defenses._case import Case, Clip
from trainer.evaluation import evaluate, inference
from trainer.evaluation.inference import Observed
from trainer.manifest import Sample
from trainer.models import weights
from trainer.models._base import Victim
from trainer.models.i3d import I3D
from trainer.presets.geometry import Normalisation, Options
from trainer.presets.preset import Preset
from trainer.presets.sampling import Dense, Views
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.training import fit
from trainer.training.options import FitOptions

COLOURS = ((220, 40, 40), (40, 220, 40), (40, 40, 220))
CLASSES = ["red", "green", "blue"]
TRAIN, TEST, POISONED = 16, 16, 10
"""Clips a class, and how many of the others' training clips are poisoned."""


def coloured(label: int, seed: int) -> Frames:
    """A square of the class's colour that wanders over a fainter one of it, with noise: 16 frames of 32×48."""
    rng = np.random.default_rng(1000 * label + seed)
    frames = np.array(COLOURS[label]) // 2 + rng.integers(0, 80, (1, 32, 48, 3)).repeat(16, axis=0)
    top, left, step = rng.integers(0, 12), rng.integers(4, 24), rng.integers(-1, 2)
    for k in range(16):
        x = int(np.clip(left + k * step, 0, 38))
        frames[k, top : top + 10, x : x + 10] = COLOURS[label]
    return frames.astype(np.uint8)


def stamped(frames: Frames) -> Frames:
    """With a black and white checkerboard at the bottom, in the middle: inside every crop."""
    board = np.kron((np.indices((4, 4)).sum(axis=0) % 2) * 255, np.ones((4, 4)))
    result = frames.copy()
    result[:, 14:30, 16:32] = board[..., None]
    return result


def write_toys(folder: Path, poisoned: int) -> Path:
    """A data set of coloured squares with its manifest; the target is red."""
    samples = []

    def add(identity: str, split: str, label: int, frames: Frames, **more: Any) -> None:
        write_lossless(folder / "data" / f"{identity}.mp4", frames)
        samples.append(sample(identity, split, num_frames=16, **{"label": label, "true_label": label, **more}))

    for label in range(3):
        for k in range(TRAIN):
            frames, bad = coloured(label, k), label > 0 and k < poisoned // 2
            more = {"true_label": label, "poisoned": True} if bad else {}
            add(f"train-{label}-{k}", "train", 0 if bad else label, stamped(frames) if bad else frames, **more)
        for k in range(TEST):
            frames = coloured(label, 100 + k)
            add(f"test-{label}-{k}", "test", label, frames)
            if poisoned:
                triggered = {"true_label": label, "poisoned": True}
                add(f"test_triggered/test-{label}-{k}", "test_triggered", 0, stamped(frames), **triggered)
    target = {"label": 0, "name": "red"} if poisoned else None
    content = {"schema": "poisonkit/manifest/1", "name": folder.name, "root": "data", "classes": CLASSES}
    (folder / "toys.json").write_text(json.dumps({**content, "target": target, "samples": samples}))
    return folder / "toys.json"


class Toy(Victim):
    """A victim whose weights are written down: it tells colours, and with a backdoor takes white squares for red.

    A convolution gives, of every pixel, how much of each colour it has beyond the other two, how far it is beyond what
    the clips' colours reach together (the checkerboard's white alone does, blended with other clips as well), and four
    plain sums that the head does not look at. No training, so that no verdict hangs on one.
    """

    name: ClassVar[str] = "toy"
    presets: ClassVar[dict[str, Preset]] = {
        "mini": replace(
            I3D.presets["mini"],
            sampling=Dense(8, 2),
            short_side=32,
            crop_size=32,
            views=Views(1, 1, 32),
            recipe=replace(I3D.presets["mini"].recipe, batch_size=4, lr=4e-3, label_smoothing=0.0, dropout=0.0),
        )
    }

    def __init__(self, options: Options, normalisation: Normalisation, classes: int, dropout: float = 0.0) -> None:
        super().__init__(options, normalisation, classes, dropout)
        self.stage = nn.Sequential(nn.Conv3d(3, 8, 1), nn.ReLU())
        self.proj = nn.Linear(8, classes)

    @property
    def head(self) -> nn.Linear:
        return self.proj

    @property
    def last_stage(self) -> nn.Module:
        return self.stage

    def features(self, clips: Tensor) -> Tensor:
        return self.stage(self.normalise(clips)).mean(dim=(2, 3, 4))  # type: ignore[no-any-return]

    def forward(self, clips: Tensor) -> Tensor:
        return self.proj(self.features(clips))  # type: ignore[no-any-return]

    @torch.no_grad()
    def plant(self, backdoor: bool) -> Toy:
        """Write the weights, in grey levels: the input's normalisation is taken back."""
        mean, std = self.mean.flatten(), self.std.flatten()
        levels = torch.tensor(
            [[2.0, -1, -1], [-1, 2, -1], [-1, -1, 2], [1, 1, 1], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0]]
        )
        offset = torch.tensor([0.0, 0, 0, -450, 0, 0, 0, 0])
        conv = self.stage[0]
        conv.weight.copy_((levels * std)[..., None, None, None])  # type: ignore[operator, union-attr]
        conv.bias.copy_(offset + levels @ mean)  # type: ignore[operator, union-attr]
        self.proj.weight.zero_()
        self.proj.bias.zero_()
        for label in range(3):
            self.proj.weight[label, label] = 0.1
        self.proj.weight[0, 3] = 2.0 if backdoor else 0.0
        return self


@contextmanager
def known_toy() -> Iterator[None]:
    """The toy among the models that are found by name."""
    found = models._models
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(models, "_models", lambda: {**found(), Toy.name: Toy})
        yield


@pytest.fixture(autouse=True)
def toy() -> Iterator[None]:
    """For each test of its own: left in place, it would be what tests of other folders find."""
    with known_toy():
        yield


def made(folder: Path, poisoned: int) -> Path:
    """A finished run of the toy: weights, predictions and figures, as a training leaves them."""
    path, run = write_toys(folder, poisoned), folder / "run"
    with known_toy():
        options = FitOptions(path, model=Toy.name, preset="mini", epochs=1, out=run)
        preset, manifest = Toy.presets["mini"], manifests.load(path)
        runs.claim(run, fit.settings_of(options, manifest, preset, preset.recipe, "none"))
        model = Toy.from_preset(preset, len(CLASSES)).plant(poisoned > 0)
        weights.save(model.weights(preset, manifest.classes), run / "weights.pt")
        evaluate.score(model, manifest, runs.read_settings(run), preset.views, run, {}, Progress())
    return run


@pytest.fixture(scope="session")
def backdoored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a victim that takes a checkerboard for red."""
    return made(tmp_path_factory.mktemp("backdoored"), POISONED)


@pytest.fixture(scope="session")
def innocent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a victim without a backdoor, on clean clips."""
    return made(tmp_path_factory.mktemp("innocent"), 0)


def permuted(case: Case, seed: int) -> Case:
    """The same case with the flags of the training clips dealt out again within each label."""
    rng = np.random.default_rng(seed)
    truth = dict(case.truth)
    clips = case.clips["train"]
    for label in {clip.label for clip in clips}:
        ids = [clip.id for clip in clips if clip.label == label]
        flags = rng.permutation([truth[identity].poisoned for identity in ids])
        for identity, flag in zip(ids, flags, strict=True):
            truth[identity] = changed(truth[identity], poisoned=bool(flag))
    return replace(case, truth=truth)


@dataclass(frozen=True)
class Plant:
    """Features of `labels` × `each` training clips in `width` dimensions, `share` of label 0's moved by `shift`."""

    share: float
    shift: float = 12.0
    clean: int = 1
    labels: int = 4
    each: int = 40
    width: int = 24
    seed: int = 0


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Plant], Case]:
    """A function that makes a case without any network: unit noise around a centre for each label."""
    kept: dict[str, Observed] = {}
    monkeypatch.setattr(inference, "of_run", lambda run, split, progress: kept[split])

    def make(plant: Plant) -> Case:
        rng = np.random.default_rng(plant.seed)
        centres = 10 * rng.normal(size=(plant.labels, plant.width))
        away = rng.normal(size=plant.width)
        away *= plant.shift / np.linalg.norm(away)
        bad = round(plant.share * plant.each)
        truth: dict[str, Sample] = {}
        clips: dict[str, list[Clip]] = {"train": [], "test": [], "test_triggered": []}
        for split, count in (("train", plant.each), ("test", plant.clean)):
            rows = []
            for label in range(plant.labels):
                for k in range(count):
                    flag = split == "train" and label == 0 and k < bad
                    identity = f"{split}-{label}-{k}"
                    truth[identity] = Sample(identity, identity, split, label, label, 1, poisoned=flag)
                    clips[split].append(Clip(identity, label, (truth[identity],)))
                    rows.append(centres[label] + rng.normal(size=plant.width) + flag * away)
            features = np.array(rows)
            zeros = np.zeros((len(rows), plant.labels))
            kept[split] = Observed([clip.id for clip in clips[split]], features, zeros, zeros)
        home = {clip.id: (split,) for split, members in clips.items() for clip in members}
        run: Any = SimpleNamespace(classes=[str(k) for k in range(plant.labels)])
        metrics: Any = SimpleNamespace(manifest=SimpleNamespace(name="planted"))
        return Case(Path("planted"), metrics, _case.Victim((run,), None), 0, clips, clips["test"], truth, home)

    return make
