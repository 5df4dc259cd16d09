"""Pruning: a masked feature is a silent channel, in every victim; the curve's ends are known; the result loads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from trainer import models
from trainer.defenses import _case, pruning
from trainer.defenses.pruning import Pruning
from trainer.evaluation import inference
from trainer.models import weights
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run
from trainer.training import fit
from trainer.training.options import FitOptions


def pooled(model: Any) -> torch.nn.Module:
    """The layers whose output is pooled into features: the last stage, of SlowFast that of both paths."""
    return model.blocks[-3] if model.name == "slowfast" else model.last_stage  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", models.names())
def test_a_masked_feature_is_a_silent_channel(name: str) -> None:
    """Zeroing channels inside the network and masking pooled features give the same answers."""
    preset = models.preset_of(name, "mini")
    torch.manual_seed(0)
    model = models.find(name).from_preset(preset, 3, 0.0).eval()
    torch.nn.init.normal_(model.head.weight, std=model.head.in_features**-0.5)  # scores that softmax does not saturate
    shape = (2, 1, 64, 80) if name == "audio" else (2, 3, preset.frames, 32, 32)
    clips = 255 * torch.rand(shape)
    with torch.no_grad():
        features = model.features(clips)
    kept = np.ones(features.shape[1])
    kept[::2] = 0

    def silence(module: Any, inputs: Any, output: Any) -> Any:
        def cut(x: Tensor, mask: np.ndarray) -> Tensor:
            return x * torch.from_numpy(mask).to(x).view(1, -1, *[1] * (x.ndim - 2))

        if isinstance(output, Tensor):
            return cut(output, kept)
        slow = output[0].shape[1]
        return [cut(output[0], kept[:slow]), cut(output[1], kept[slow:])]

    with torch.no_grad():
        whole = model(clips).softmax(dim=1).numpy()
        hook = pooled(model).register_forward_hook(silence)
        cut = model(clips).softmax(dim=1).numpy()
        hook.remove()
    masked = pruning.scores(model, features.double().numpy() * kept)
    assert masked == pytest.approx(cut, abs=1e-5)
    assert np.abs(whole - cut).max() > 1e-3


def test_the_least_active_go_first_and_one_stays() -> None:
    order = np.argsort([3.0, 0.5, 2.0, 0.1])
    assert pruning.mask(order, 0.5).tolist() == [1, 0, 1, 0]
    assert pruning.mask(order, 0.0).tolist() == [1, 1, 1, 1]
    assert pruning.mask(order, 0.99).tolist() == [1, 0, 0, 0]


def test_the_curve_starts_with_the_victim_and_ends_with_one_class(backdoored: Path) -> None:
    result = Pruning().result(_case.of_run(backdoored), Progress())
    first, last = result.curve[0], result.curve[-1]
    assert first.strength == 0
    assert first.cda is not None
    assert first.cda.value >= 0.9
    assert first.asr is not None
    assert first.asr.value >= 0.9
    assert (first.cda.n, first.asr.n) == (42, 28)
    assert last.strength == 0.99
    assert last.cda is not None
    assert last.cda.value < 0.7  # one channel of eight


def test_the_repaired_model_loads_and_answers_as_it_was_measured(backdoored: Path, tmp_path: Path) -> None:
    outcome = Pruning(finetune_epochs=2, finetune_lr=1e-3).defend(backdoored, Progress())
    path = backdoored / "defenses" / "pruning" / "weights.pt"
    run, kept = loaded_run.load(backdoored), weights.load(path)
    weights.initialise(run.model, kept)
    silent = (run.model.head.weight == 0).all(dim=0)
    chosen = float(outcome.rule.split("are set to zero, ")[1].split("%")[0]) / 100
    assert int(silent.sum()) == round(chosen * len(silent))
    defended = outcome.figures["CDA, fine-tuned"]
    assert defended is not None
    inputs = _case.of_run(backdoored).defender(["test"], None, Progress()).judged
    test = [clip.files[0] for clip in inputs]
    seen = inference.observe(run.model, run.manifest, test, run.preset, run.views)
    truth = {s.id: s.true_label for s in run.manifest.split("test")}
    right = [int(row.argmax()) == truth[s.id] for row, s in zip(seen.probabilities, test, strict=True)]
    assert (np.mean(right), len(right)) == (defended.value, defended.n)
    manifest = backdoored.parent / "toys.json"
    fit.fit(FitOptions(manifest, model="toy", preset="mini", weights=path, epochs=1, out=tmp_path / "on"), Progress())
    assert runs.is_finished(tmp_path / "on")
