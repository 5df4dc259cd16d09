"""One real training step of every full-size victim on a real clip: it runs, and it lowers the loss."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from trainer import models
from trainer.clips import augment
from trainer.learning import build_optimizer
from trainer.media import decode


@pytest.mark.parametrize("name", models.names())
def test_a_step_lowers_the_loss_on_the_same_clip(name: str, real_data: Path) -> None:
    path = next((real_data / "clips").glob("v_SoccerJuggling*.avi"))
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    preset = models.preset_of(name, "paper")
    rng = np.random.default_rng(0)
    frames = decode(path, count, preset.short_side, preset.sampling.train(count, None, rng))
    clip = augment(frames, preset.augment, preset.crop_size, rng)[None]
    assert clip.shape == (1, 3, preset.geometry.frames, 224, 224)
    torch.manual_seed(0)
    model = models.find(name)(preset.geometry, 101, dropout=0.0).train()
    optimizer = build_optimizer(model, preset.recipe)
    losses = []
    for _ in range(2):
        loss = cross_entropy(model(clip), torch.tensor([3]))
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert np.isfinite(losses).all()
    assert losses[1] < losses[0]
