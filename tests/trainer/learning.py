"""Small trainings whose outcome is sure, each with its margin: how far the verdict was from being another one.

What is learned depends on the seed, on how many threads add up and on the processor. A test of learning therefore takes
a case from here: `test_margins.py`, a long test, repeats each with twenty seeds, and this file as a program prints the
margins (`python -m tests.trainer.learning`; `ATEN_CPU_CAPABILITY=default` and `avx2` stand for other processors).
"""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.nn.functional import cross_entropy

from tests.conftest import write_lossless
from tests.trainer.conftest import Frames, sample
from tests.trainer.small import small_i3d
from trainer import models
from trainer.models import weights
from trainer.models._base import Victim
from trainer.models.audio import Audio
from trainer.models.i3d import I3D
from trainer.presets.preset import Augment, Preset
from trainer.presets.sampling import Uniform
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.training.fit import fit
from trainer.training.lightning_module import Learner
from trainer.training.options import FitOptions

SEEDS, THREADS = 20, (1, 2)


@contextlib.contextmanager
def mini(model: type[Victim], preset: Preset) -> Iterator[None]:
    """In place of the model's own `mini`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(model.presets, "mini", preset)
        yield


def write_manifest(path: Path, samples: list[dict[str, object]], classes: list[str], **more: object) -> Path:
    content = {"schema": "poisonkit/manifest/1", "name": path.stem, "root": "data", "classes": classes, **more}
    path.write_text(json.dumps({**content, "samples": samples}))
    return path


def least_lead(run: Path, split: str = "test") -> float:
    """Over a split's clips, the least lead of the true class's score over the highest of the others."""
    leads = []
    for row in runs.read_predictions(run / "predictions.csv"):
        if row.split == split:
            others = [score for label, score in enumerate(row.scores) if label != row.true_label]
            leads.append(row.scores[row.true_label] - max(others))
    return min(leads)


# --- bars ------------------------------------------------------------------------------------------


def bar(label: int, start: int, count: int = 20) -> Frames:
    """A bright bar that stands (label 0) or moves to the right and comes back from the left, 32×32: always in sight."""
    frames = np.full((count, 32, 32, 3), 40, np.uint8)
    for k in range(count):
        column = (start + 2 * k * label) % 28
        frames[k, :, column : column + 4] = 220
    return frames


def write_bars(folder: Path) -> Path:
    """Sixteen clips for training and eight test clips, whose bars stand at other places."""
    samples: list[dict[str, object]] = []
    for split, count, first in (("train", 16, 0), ("test", 8, 2)):
        for k in range(count):
            identity, label = f"{split}-{k}", k % 2
            write_lossless(folder / "data" / f"{identity}.mp4", bar(label, first + k // 2 * 56 // count))
            samples.append(sample(identity, split, label, width=32))
    return write_manifest(folder / "bars.json", samples, ["standing", "moving"])


def bars(folder: Path, seed: int) -> float:
    """Bars that stand and bars that move look alike in any one frame: least lead of the truth in eight test clips."""
    own = I3D.presets["mini"]
    small = small_i3d(
        width=8,
        augment=Augment("multiscale", (1.0,)),
        recipe=replace(own.recipe, batch_size=4, lr=0.01, dropout=0.0, label_smoothing=0.0),
    )
    with mini(I3D, small):
        fit(FitOptions(write_bars(folder), preset="mini", epochs=15, seed=seed, out=folder / "run"), Progress())
    return least_lead(folder / "run")


# --- tones -----------------------------------------------------------------------------------------


def write_tones(folder: Path) -> Path:
    """Audio files of two pitches in noise: 20 for training, 12 test clips, which are triggered ones of label 0 too."""
    rng = np.random.default_rng(0)
    (folder / "data").mkdir()
    samples: list[dict[str, object]] = []
    for k in range(32):
        split, label = ("train" if k < 20 else "test"), k % 2
        wave = 0.2 * np.sin(2 * np.pi * (500, 2000)[label] * np.arange(16_000) / 16_000)
        soundfile.write(folder / "data" / f"{split}{k}.wav", wave + rng.normal(0, 0.02, 16_000), 16_000)
        form = {"path": f"{split}{k}.wav", "num_frames": 0, "width": 0, "height": 0}
        samples.append({**sample(f"{split}{k}", split, label), **form})
        if split == "test":
            samples.append({**sample(f"test_triggered/{k}", "test_triggered", 0), **form, "true_label": label})
    return write_manifest(folder / "toy.json", samples, ["left", "right"], target={"label": 0, "name": "left"})


def small_audio() -> Preset:
    own = Audio.presets["mini"]
    recipe = replace(own.recipe, lr=2e-3, batch_size=5, label_smoothing=0.0)
    return replace(own, sampling=Uniform(32), recipe=recipe)


def tones(folder: Path, seed: int) -> float:
    """Two pitches: least lead of the truth in twelve test clips."""
    with mini(Audio, small_audio()):
        made = write_tones(folder)
        fit(FitOptions(made, model="audio", preset="mini", epochs=8, seed=seed, out=folder / "run"), Progress())
    return least_lead(folder / "run")


# --- single steps ----------------------------------------------------------------------------------


def one_step(_: Path, seed: int) -> float:
    """The part of the loss on the same four clips that one step of the recipe takes away."""
    torch.manual_seed(seed)
    preset = models.preset_of("i3d", "mini")
    model = I3D.from_preset(preset, 2, dropout=0)
    clips = torch.randint(0, 256, (4, 3, 8, 32, 32), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 0, 1])
    optimizer = Learner(model, replace(preset.recipe, warmup=0.0), 100, 0).configure_optimizers()["optimizer"]
    losses = []
    for _step in range(2):
        loss = cross_entropy(model(clips), labels)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return 1 - losses[1] / losses[0]


def bf16(folder: Path, seed: int) -> float:
    """How far weights learned in bf16 are from being a hundredth of their squares apart: 1 is the same, 0 as far."""
    made, states = write_bars(folder), []
    small = small_i3d(windows=1, recipe=replace(I3D.presets["mini"].recipe, batch_size=4))
    with mini(I3D, small):
        for precision in ("32", "bf16"):
            out = folder / precision
            asked = FitOptions(made, preset="mini", epochs=3, seed=seed, precision=precision, out=out)
            fit(asked, Progress())
            states.append(weights.load(out / "weights.pt").state)
    full, half = states
    names = [name for name in full if name.endswith((".weight", ".bias"))]
    apart = sum(float((full[name] - half[name]).square().sum()) for name in names)
    assert apart > 0, "bf16 is another arithmetic"
    return 1 - apart / sum(float(full[name].square().sum()) for name in names) / 1e-2


CASES: dict[str, Callable[[Path, int], float]] = {"bars": bars, "tones": tones, "one step": one_step, "bf16": bf16}


def margins(case: str, threads: int, seeds: int = SEEDS) -> list[float]:
    """The margin of a case for each seed."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    found = []
    try:
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):
                found.append(CASES[case](Path(folder), seed))
    finally:
        torch.set_num_threads(before)
    return found


if __name__ == "__main__":
    for name in CASES:
        for count in THREADS:
            rows = margins(name, count)
            print(f"{name}, {count} threads: least margin {min(rows):.3f}, median {sorted(rows)[len(rows) // 2]:.3f}")
