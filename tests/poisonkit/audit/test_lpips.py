"""LPIPS by the authors' package, with weights made on the spot, and what is said where either is missing."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch
import torchvision

from poisonkit.audit.lpips import lpips, summary
from poisonkit.errors import PoisonkitError
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.plan.request import Request
from tests.conftest import moving_frames, shared, write_clip
from tests.poisonkit.runs import poison


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An AlexNet of random weights where torch looks for the downloaded one."""
    pytest.importorskip("lpips", reason="the optional package lpips is not installed")

    def make(folder: Path) -> None:
        torch.manual_seed(0)
        (folder / "hub" / "checkpoints").mkdir(parents=True)
        network = torchvision.models.alexnet()
        torch.save(network.state_dict(), folder / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth")

    monkeypatch.setenv("TORCH_HOME", str(shared(tmp_path_factory, "alexnet", make)))
    # torchvision checks the hash of what it downloads, not of what is there
    monkeypatch.setattr(torch.hub, "download_url_to_file", _refuse)


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network in tests")


def source(root: Path, size: int = 96) -> Path:
    for part in ("train", "test"):
        for name in ("a", "b"):
            for k in range(2):
                write_clip(root / part / name / f"{name}{k}.mp4", moving_frames(6, size, size + 32, seed=k))
    return root


@pytest.mark.usefixtures("weights")
def test_a_stronger_trigger_is_farther_away(tmp_path: Path) -> None:
    found = {}
    clips = source(tmp_path / "s")
    for delta in ("2", "60"):
        out = tmp_path / f"out{delta}"
        poison(clips, out, Request(("sig",), rate=0.5, settings={"sig": {"delta": delta}}))
        found[delta] = lpips(tmp_path / "manifests" / f"out{delta}.json")
    assert set(found["2"]) == {f"test_triggered/test/{n}/{n}{k}" for n in "ab" for k in range(2)}
    assert all(found["60"][name] > 2 * found["2"][name] > 0 for name in found["2"])
    assert "LPIPS of 4 triggered test clips: median" in summary(found["60"])


@pytest.mark.usefixtures("weights")
def test_it_is_the_packages_own_distance(tmp_path: Path) -> None:
    poison(source(tmp_path / "s"), tmp_path / "out", Request(("badnet",), rate=0.5))
    found = lpips(tmp_path / "manifests" / "out.json")
    network = importlib.import_module("lpips").LPIPS(net="alex", verbose=False)
    pairs = zip(
        decode(tmp_path / "out" / "test_triggered/test/a/a0.mp4"),
        decode(tmp_path / "out" / "test/a/a0.mp4"),
        strict=True,
    )
    distances = []
    for pair in pairs:
        one, other = (torch.tensor(to_rgb(f)).permute(2, 0, 1)[None] / 127.5 - 1 for f in pair)
        distances.append(network(one, other).item())
    assert found["test_triggered/test/a/a0"] == pytest.approx(sum(distances) / len(distances), abs=1e-5)


@pytest.mark.usefixtures("weights")
def test_small_frames_are_refused(tmp_path: Path) -> None:
    poison(source(tmp_path / "s", size=48), tmp_path / "out", Request(("sig",), rate=0.5))
    with pytest.raises(PoisonkitError, match="LPIPS needs 64 at least"):
        lpips(tmp_path / "manifests" / "out.json")


def test_missing_weights_say_where_they_belong(ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lpips", reason="the optional package lpips is not installed")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(torch.hub, "download_url_to_file", _refuse)
    poison(ucf_tree, tmp_path / "out", Request(("sig",), rate=0.3))
    with pytest.raises(PoisonkitError, match=r"alexnet-owt-7be5be79\.pth into .*empty"):
        lpips(tmp_path / "manifests" / "out.json")


def test_the_missing_package_says_how_to_get_it(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("poisonkit.fidelity.lpips.importlib.import_module", missing)
    poison(ucf_tree, tmp_path / "out", Request(("sig",), rate=0.3))
    with pytest.raises(PoisonkitError, match="pip install lpips"):
        lpips(tmp_path / "manifests" / "out.json")
