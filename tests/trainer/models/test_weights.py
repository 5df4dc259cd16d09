"""Checkpoints: round trips, new heads, and refusals."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from trainer import models
from trainer.errors import TrainerError
from trainer.models import weights
from trainer.models._base import Weights
from trainer.models.audio import Audio
from trainer.models.i3d import I3D
from trainer.presets.geometry import Normalisation
from trainer.presets.preset import Preset
from trainer.presets.sampling import Dense

MINI = models.preset_of("i3d", "mini")
THIN = replace(MINI, options=replace(MINI.options, width=4))  # type: ignore[call-arg]
OLDER = {
    "width": 4,
    "frames": 16,
    "stem_stride": 2,
    "pool_stride": 2,
    "differences": True,
    "mean": (114.75, 114.75, 114.75),
    "std": (57.375, 57.375, 57.375),
    "alpha": 1,
    "fusion_kernel": 0,
    "fusion_norm": True,
}
"""The header of an I3D of the time when all models had the same fields."""


def checkpoint(classes: int = 3) -> Weights:
    torch.manual_seed(1)
    return model(classes).weights(THIN, [str(k) for k in range(classes)])


def model(classes: int, preset: Preset = THIN) -> I3D:
    return I3D.from_preset(preset, classes)


def test_round_trip(tmp_path: Path) -> None:
    before = checkpoint()
    weights.save(before, tmp_path / "w.pt")
    after = weights.load(tmp_path / "w.pt")
    assert replace(after, state={}) == Weights(
        "i3d", "mini", THIN.options, 16, THIN.normalisation, ["0", "1", "2"], state={}
    )
    assert after.state.keys() == before.state.keys()
    assert all(torch.equal(after.state[key], before.state[key]) for key in before.state)
    assert [file.name for file in tmp_path.iterdir()] == ["w.pt"]


def test_same_classes_keep_the_head() -> None:
    victim = model(3)
    loaded = weights.initialise(victim, checkpoint(3))
    assert (loaded.head_kept, loaded.missing, loaded.unexpected) == (True, [], [])
    assert torch.equal(victim.head.weight, checkpoint(3).state["blocks.6.proj.weight"])


def test_other_classes_get_a_new_head() -> None:
    victim = model(7)
    head = victim.head.weight.clone()
    loaded = weights.initialise(victim, checkpoint(3))
    assert (loaded.head_kept, loaded.missing, loaded.unexpected) == (False, [], [])
    assert torch.equal(victim.head.weight, head)
    assert torch.equal(victim.blocks[0].conv.weight, checkpoint().state["blocks.0.conv.weight"])


def test_keys_that_do_not_match_are_listed() -> None:
    theirs = checkpoint()
    theirs.state["extra"] = theirs.state.pop("blocks.0.conv.weight")
    loaded = weights.initialise(model(3), theirs)
    assert (loaded.missing, loaded.unexpected) == (["blocks.0.conv.weight"], ["extra"])


def test_another_geometry_is_refused() -> None:
    wider = replace(
        THIN,
        options=replace(THIN.options, width=8),  # type: ignore[call-arg]
        normalisation=Normalisation((0.0,) * 3, THIN.normalisation.std),
    )
    with pytest.raises(TrainerError, match=r"another geometry \(width 4 instead of 8, mean \(114.75.*\); give .*force"):
        weights.check("i3d", wider, checkpoint())
    weights.check("i3d", wider, checkpoint(), force=True)
    with pytest.raises(TrainerError, match=r"another geometry \(frames 16 instead of 8\)"):
        weights.check("i3d", replace(THIN, sampling=Dense(8, 2)), checkpoint())


def test_another_model_is_refused() -> None:
    with pytest.raises(TrainerError, match="of model 'tsm'"):
        weights.check("i3d", THIN, replace(checkpoint(), model="tsm"), force=True)


def test_tensors_that_do_not_fit_are_refused() -> None:
    theirs = checkpoint()
    theirs.state["blocks.0.conv.weight"] = torch.zeros(1)
    with pytest.raises(TrainerError, match=r"do not fit.*blocks.0.conv.weight.*; give weights of") as caught:
        weights.initialise(model(3), theirs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("left_out", [(), ("alpha", "fusion_kernel", "fusion_norm")])
def test_the_header_is_the_one_of_older_files(tmp_path: Path, left_out: tuple[str, ...]) -> None:
    path = tmp_path / "w.pt"
    weights.save(checkpoint(), path)
    content = torch.load(path, weights_only=True)
    assert list(content) == ["format", "model", "preset", "geometry", "classes", "state"]
    assert list(content["geometry"].items()) == list(OLDER.items())
    older = {key: value for key, value in OLDER.items() if key not in left_out}
    torch.save(content | {"geometry": older}, path)
    weights.check("i3d", THIN, weights.load(path))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"colour": 1}, "colour"), ({"width": None}, "width"), ({"frames": None}, "frames"), ({"stem_stride": None}, "")],
)
def test_a_header_that_lacks_or_invents_fields_is_damaged(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    path = tmp_path / "w.pt"
    weights.save(checkpoint(), path)
    content = torch.load(path, weights_only=True)
    content["geometry"] = {key: value for key, value in (OLDER | change).items() if value is not None}
    torch.save(content, path)
    with pytest.raises(TrainerError, match=f"damaged header .*{named}.*; train the model again"):
        weights.load(path)


class Both(Audio):
    """A model of two ranks: 3-D convolutions beside 2-D ones."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.space_time = torch.nn.Conv3d(2, 4, 3)


def test_each_convolution_goes_by_its_own_rank() -> None:
    preset = models.preset_of("audio", "mini")
    model = weights.to_channels_last(Both(preset.options, preset.normalisation, 2))
    flat, deep = model.net.conv1.weight, model.space_time.weight  # type: ignore[attr-defined]
    assert flat.is_contiguous(memory_format=torch.channels_last)
    assert deep.is_contiguous(memory_format=torch.channels_last_3d)
    assert not deep.is_contiguous()


def test_a_contiguous_model_stays_so() -> None:
    class Plain(I3D):
        memory_format: ClassVar[torch.memory_format] = torch.contiguous_format

    stem = weights.to_channels_last(Plain.from_preset(THIN, 2)).blocks[0].conv.weight  # type: ignore[attr-defined]
    assert stem.is_contiguous()
    stem = weights.to_channels_last(I3D.from_preset(THIN, 2)).blocks[0].conv.weight  # type: ignore[attr-defined]
    assert not stem.is_contiguous()


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
