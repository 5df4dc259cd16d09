"""Checkpoints of pytorchvideo and MMAction2: every name finds its place, and the numbers arrive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from trainer import models
from trainer.errors import TrainerError
from trainer.models import public, weights
from trainer.models._base import Victim, Weights
from trainer.presets.preset import Preset
from trainer.presets.sampling import Dense

WIDTH = 8
DEPTHS = (3, 4, 6, 3)


def norm(name: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{name}.{part}", (channels,)
    yield f"{name}.num_batches_tracked", ()


def network(
    prefix: str,
    width: int,
    stem: tuple[int, ...],
    kernels: list[list[tuple[int, ...]]],
    extra: int = 0,
    shifted: bool = False,
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """MMAction2's names and shapes of a ResNet-50; `kernels`: of the first convolution of each block."""
    flat = len(stem) == 2
    one, three = ((1, 1), (3, 3)) if flat else ((1, 1, 1), (1, 3, 3))
    yield f"{prefix}conv1.conv.weight", (width, 3, *stem)
    yield from norm(f"{prefix}conv1.bn", width)
    inputs = width
    for stage, depth in enumerate(DEPTHS):
        inner = width * 2**stage
        inputs += inputs * 2 // 8 if extra else 0
        for block in range(depth):
            name = f"{prefix}layer{stage + 1}.{block}"
            wrapped = "conv1.conv.net" if shifted else "conv1.conv"
            yield f"{name}.{wrapped}.weight", (inner, inputs, *kernels[stage][block])
            yield from norm(f"{name}.conv1.bn", inner)
            yield f"{name}.conv2.conv.weight", (inner, inner, *three)
            yield from norm(f"{name}.conv2.bn", inner)
            yield f"{name}.conv3.conv.weight", (4 * inner, inner, *one)
            yield from norm(f"{name}.conv3.bn", 4 * inner)
            if block == 0:
                yield f"{name}.downsample.conv.weight", (4 * inner, inputs, *one)
                yield from norm(f"{name}.downsample.bn", 4 * inner)
            inputs = 4 * inner


def filled(shapes: Iterator[tuple[str, tuple[int, ...]]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.tensor(7) if name.endswith("num_batches_tracked") else torch.rand(shape, generator=generator)
        for name, shape in shapes
    }


def head(inputs: int, classes: int = 5) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "cls_head.fc_cls.weight", (classes, inputs)
    yield "cls_head.fc_cls.bias", (classes,)


def mmaction2(model: str) -> dict[str, Tensor]:
    point, line = (1, 1, 1), (3, 1, 1)
    if model == "i3d":
        inflate = [[line] * 3, [line, point] * 2, [line, point] * 3, [point, line, point]]
        return filled(iter([*network("backbone.", WIDTH, (5, 7, 7), inflate), *head(32 * WIDTH)]))
    if model == "tsm":
        flat = [[(1, 1)] * depth for depth in DEPTHS]
        return filled(iter([*network("backbone.", WIDTH, (7, 7), flat, shifted=True), *head(32 * WIDTH)]))
    slow = [[point] * 3, [point] * 4, [line] * 6, [line] * 3]
    fast = [[line] * depth for depth in DEPTHS]
    rows = [
        *network("backbone.slow_path.", WIDTH, (1, 7, 7), slow, extra=1),
        *network("backbone.fast_path.", WIDTH // 8, (5, 7, 7), fast),
    ]
    for name, channels in (("conv1", 1), ("layer1", 4), ("layer2", 8), ("layer3", 16)):
        own = channels * WIDTH // 8
        rows.append((f"backbone.slow_path.{name}_lateral.conv.weight", (2 * own, own, 5, 1, 1)))
    return filled(iter([*rows, *head(36 * WIDTH)]))


def build(found: Weights, classes: int = 5) -> Victim:
    return models.find(found.model)(found.options, found.normalisation, classes).eval()


def thin(model: str, preset: str) -> Preset:
    """A public preset, as wide as the files made here."""
    full = models.preset_of(model, preset)
    return replace(full, options=replace(full.options, width=WIDTH))  # type: ignore[call-arg]


@pytest.mark.parametrize("model", ["i3d", "slowfast", "tsm"])
def test_mmaction2s_names_all_find_their_place(model: str, tmp_path: Path) -> None:
    theirs = mmaction2(model)
    torch.save({"meta": {"epoch": 100}, "state_dict": theirs}, tmp_path / "w.pth")
    loaded = weights.load(tmp_path / "w.pth")
    assert loaded.model == model
    weights.check(model, weights.adopt(thin(model, "paper"), loaded), loaded)
    assert loaded.normalisation.mean == (123.675, 116.28, 103.53)
    victim = build(loaded)
    result = weights.initialise(victim, loaded)
    assert (result.head_kept, result.missing, result.unexpected) == (True, [], [])
    assert len(loaded.state) == len(theirs) == len(victim.state_dict())
    # the numbers arrived: each of theirs is in the model, once
    ours = sorted(round(float(v.double().sum()), 4) for v in victim.state_dict().values())
    assert ours == pytest.approx(sorted(round(float(v.double().sum()), 4) for v in theirs.values()), abs=1e-3)


@pytest.mark.parametrize("model", ["i3d", "slowfast", "tsm"])
def test_each_of_mmaction2s_names_has_one_of_ours_and_back(model: str) -> None:
    """Named after itself, every tensor can be followed: theirs → ours → theirs is the identity."""
    theirs = mmaction2(model)
    marked = {name: torch.full(value.shape, float(k)) for k, (name, value) in enumerate(theirs.items())}
    found = public.recognise(marked)
    assert found is not None
    names = list(theirs)
    back = {names[int(value.flatten()[0])]: ours for ours, value in found.state.items()}
    assert sorted(back) == sorted(theirs)
    victim = build(found)
    shapes = {name: tuple(value.shape) for name, value in victim.state_dict().items()}
    assert set(back.values()) == set(shapes)
    for name, ours in back.items():
        theirs_shape = tuple(theirs[name].shape)
        assert shapes[ours] in (theirs_shape, (*theirs_shape[:2], 1, *theirs_shape[2:]))  # TSM's get a time axis


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    save_file(mmaction2("i3d"), tmp_path / "w.safetensors")
    loaded = weights.load(tmp_path / "w.safetensors")
    assert (loaded.model, loaded.frames) == ("i3d", 32)
    (tmp_path / "x.safetensors").write_bytes(b"nothing")
    with pytest.raises(TrainerError, match="is not a checkpoint of this project"):
        weights.load(tmp_path / "x.safetensors")
    with pytest.raises(TrainerError, match=r"cannot read the weights .*y.safetensors: No such file"):
        weights.load(tmp_path / "y.safetensors")


def test_mmaction2s_slowfast_head_sees_the_fast_path_first() -> None:
    theirs = mmaction2("slowfast")
    found = public.recognise({"state_dict": theirs})
    assert found is not None
    ours = found.state["blocks.6.proj.weight"]
    assert torch.equal(ours[:, 32 * WIDTH :], theirs["cls_head.fc_cls.weight"][:, : 4 * WIDTH])
    assert torch.equal(ours[:, : 32 * WIDTH], theirs["cls_head.fc_cls.weight"][:, 4 * WIDTH :])


@pytest.mark.parametrize(("model", "preset"), [("i3d", "paper-8x8"), ("slowfast", "paper"), ("slowfast", "paper-8x8")])
def test_pytorchvideos_checkpoints_are_taken_as_they_are(model: str, preset: str, tmp_path: Path) -> None:
    narrow = thin(model, preset)
    state = models.find(model).from_preset(narrow, 400).state_dict()
    torch.save({"model_state": state}, tmp_path / "w.pyth")
    loaded = weights.load(tmp_path / "w.pyth")
    assert (loaded.model, loaded.options, loaded.normalisation) == (model, narrow.options, narrow.normalisation)
    assert len(loaded.classes) == 400
    weights.check(model, replace(narrow, sampling=Dense(loaded.frames, 1)), loaded)
    result = weights.initialise(build(loaded, 7), loaded)
    assert (result.head_kept, result.missing, result.unexpected) == (False, [], [])


def test_normalisation_belongs_to_the_weights() -> None:
    paper = models.preset_of("slowfast", "paper")
    found = public.recognise(mmaction2("slowfast"))
    assert found is not None
    adopted = weights.adopt(paper, found)
    assert adopted.normalisation.mean == (123.675, 116.28, 103.53)
    assert adopted.options == replace(paper.options, fusion_norm=False)  # type: ignore[call-arg]
    assert replace(adopted, options=paper.options, normalisation=paper.normalisation) == paper


def test_another_geometry_is_refused_unless_forced(tmp_path: Path) -> None:
    torch.save({"state_dict": mmaction2("i3d")}, tmp_path / "w.pth")
    loaded = weights.load(tmp_path / "w.pth")
    shorter = replace(weights.adopt(thin("i3d", "paper"), loaded), sampling=Dense(16, 4))
    with pytest.raises(TrainerError, match=r"frames 32 instead of 16.*force=True"):
        weights.check("i3d", shorter, loaded)
    weights.check("i3d", shorter, loaded, force=True)
    assert weights.initialise(build(loaded), loaded).missing == []


def test_what_does_not_belong_is_listed() -> None:
    theirs = mmaction2("tsm") | {"backbone.surprise": torch.zeros(1)}
    del theirs["backbone.layer2.1.conv2.bn.bias"]
    found = public.recognise({"state_dict": theirs})
    assert found is not None
    result = weights.initialise(build(found), found)
    assert result.missing == ["blocks.2.res_blocks.1.branch2.norm_b.bias"]
    assert result.unexpected == ["backbone.surprise"]


def test_other_files_are_refused(tmp_path: Path) -> None:
    for k, content in enumerate(({"state_dict": {"layer1.weight": torch.zeros(3)}}, [1, 2], {"a": torch.zeros(1)})):
        torch.save(content, tmp_path / f"{k}.pt")
        with pytest.raises(TrainerError, match=r"no checkpoint of this project, nor .*; give") as caught:
            weights.load(tmp_path / f"{k}.pt")
        assert f"({', '.join(public.recognising())})" in str(caught.value)
    assert {"i3d", "slowfast", "tsm"} <= set(public.recognising())


def test_public_weights_without_a_network_say_where_to_put_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(TrainerError, match=r"cannot fetch https://.*no network.*put it at .*SLOWFAST_4x16_R50.pyth"):
        public.fetch("slowfast", "paper")
    with pytest.raises(TrainerError, match="no public weights for i3d preset='mini'"):
        public.fetch("i3d", "mini")
    place = tmp_path / "checkpoints" / models.find("i3d").public["paper"].url.rsplit("/", 1)[1]
    place.write_bytes(b"something else")
    with pytest.raises(TrainerError, match="instead of e213c223; remove it"):
        public.fetch("i3d", "paper")
    (tmp_path / "checkpoints" / "SLOWFAST_4x16_R50.pyth").write_bytes(b"put here by hand")
    assert public.fetch("slowfast", "paper").read_bytes() == b"put here by hand"
