"""Checkpoints: round trips, new heads, and refusals."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer import models
from trainer.errors import TrainerError
from trainer.models import weights
from trainer.models.i3d import I3D
from trainer.models.weights import Weights

GEOMETRY = replace(models.preset_of("i3d", "mini").geometry, width=4)


def checkpoint(classes: int = 3) -> Weights:
    torch.manual_seed(1)
    names = [str(k) for k in range(classes)]
    return Weights("i3d", "mini", GEOMETRY, names, I3D(GEOMETRY, classes).state_dict())


def test_round_trip(tmp_path: Path) -> None:
    before = checkpoint()
    weights.save(before, tmp_path / "w.pt")
    after = weights.load(tmp_path / "w.pt")
    assert (after.model, after.preset, after.geometry, after.classes) == (
        "i3d",
        "mini",
        GEOMETRY,
        ["0", "1", "2"],
    )
    assert after.state.keys() == before.state.keys()
    assert all(torch.equal(after.state[key], before.state[key]) for key in before.state)
    assert [file.name for file in tmp_path.iterdir()] == ["w.pt"]


def test_same_classes_keep_the_head() -> None:
    model = I3D(GEOMETRY, 3)
    loaded = weights.initialise(model, GEOMETRY, checkpoint(3))
    assert (loaded.head_kept, loaded.missing, loaded.unexpected) == (True, [], [])
    assert torch.equal(model.head.weight, checkpoint(3).state["blocks.6.proj.weight"])


def test_other_classes_get_a_new_head() -> None:
    model = I3D(GEOMETRY, 7)
    head = model.head.weight.clone()
    loaded = weights.initialise(model, GEOMETRY, checkpoint(3))
    assert (loaded.head_kept, loaded.missing, loaded.unexpected) == (False, [], [])
    assert torch.equal(model.head.weight, head)
    assert torch.equal(model.blocks[0].conv.weight, checkpoint().state["blocks.0.conv.weight"])


def test_keys_that_do_not_match_are_listed() -> None:
    theirs = checkpoint()
    theirs.state["extra"] = theirs.state.pop("blocks.0.conv.weight")
    loaded = weights.initialise(I3D(GEOMETRY, 3), GEOMETRY, theirs)
    assert (loaded.missing, loaded.unexpected) == (["blocks.0.conv.weight"], ["extra"])


def test_another_geometry_is_refused() -> None:
    wider = replace(GEOMETRY, width=8, mean=(0.0, 0.0, 0.0))
    with pytest.raises(TrainerError, match=r"another geometry.*width 4 instead of 8, mean"):
        weights.initialise(I3D(wider, 3), wider, checkpoint())


def test_another_model_is_refused() -> None:
    with pytest.raises(TrainerError, match="of model 'tsm'"):
        weights.initialise(I3D(GEOMETRY, 3), GEOMETRY, replace(checkpoint(), model="tsm"))


def test_tensors_that_do_not_fit_are_refused() -> None:
    theirs = checkpoint()
    theirs.state["blocks.0.conv.weight"] = torch.zeros(1)
    with pytest.raises(TrainerError, match=r"do not fit.*blocks.0.conv.weight") as caught:
        weights.initialise(I3D(GEOMETRY, 3), GEOMETRY, theirs)
    assert "\n" not in str(caught.value)


class Evil:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.pt"
    for content in (b"", b"text", pickle.dumps(Evil())):
        path.write_bytes(content)
        with pytest.raises(TrainerError, match="not a checkpoint of this project") as caught:
            weights.load(path)
        assert "\n" not in str(caught.value)
    for thing in (Evil(), {"state_dict": {}}, [1]):
        torch.save(thing, path)
        with pytest.raises(TrainerError, match="checkpoint of this project"):
            weights.load(path)
    torch.save({"format": weights.FORMAT, "geometry": {"colour": 1}}, path)
    with pytest.raises(TrainerError, match="damaged header"):
        weights.load(path)
    with pytest.raises(TrainerError, match="cannot read the weights"):
        weights.load(tmp_path / "none.pt")
