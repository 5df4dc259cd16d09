"""LPIPS, a learned distance of pictures: an optional extra, since it needs torch and downloaded weights."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from poisonkit import manifest as contract
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.video import measured
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.plan.placement import from_runs
from poisonkit.text import argument

_SHORTEST = 64
"""Pixels of the short side below which AlexNet has nothing left to pool."""


def lpips(path: Path, advance: Callable[[], None] = lambda: None) -> dict[str, float]:
    """LPIPS (AlexNet, version 0.1) of every triggered test clip against the clean clip, by id; 0 for equal ones.

    The mean over at most 16 placed frames. Source: Zhang et al. 2018, the authors' package `lpips`. Raises
    `PoisonkitError` where the package or its weights are missing, and for frames that are too small.
    """
    made = contract.load(path)
    root = contract.root_of(made, path)
    clean = {s.id: s for s in made.samples if s.split == "test"}
    network, torch = _network()
    found = {}
    for sample in made.samples:
        partner = clean.get(sample.id.removeprefix("test_triggered/"))
        if sample.split != "test_triggered" or partner is None or not sample.frames:
            continue
        if (sample.width, sample.height, sample.num_frames) != (partner.width, partner.height, partner.num_frames):
            raise PoisonkitError(
                f"{sample.id} was written with other frames than its source's, so that they cannot be compared",
                f"leave out {argument('lpips')}",
            )
        if min(sample.width, sample.height) < _SHORTEST:
            raise PoisonkitError(
                f"{sample.id} has frames of {sample.width} × {sample.height} pixels, and LPIPS needs {_SHORTEST} at "
                f"least",
                f"leave out {argument('lpips')}",
            )
        wanted = set(measured(from_runs(sample.frames, sample.num_frames)).tolist())
        pairs = zip(*(decode(contract.file_of(s, root)) for s in (sample, partner)), strict=True)
        distances = [
            float(network(*(_tensor(to_rgb(frame), torch) for frame in pair)).item())
            for i, pair in enumerate(pairs)
            if i in wanted
        ]
        found[sample.id] = round(float(np.mean(distances)), 6)
        advance()
    if not found:
        raise PoisonkitError(
            f"{path} holds no triggered pictures beside clean ones", "give the manifest of such a copy"
        )
    return found


def summary(found: dict[str, float]) -> str:
    """The distances in a sentence."""
    worst = max(found, key=lambda name: found[name])
    return (
        f"LPIPS of {len(found)} triggered test clips: median {median(found.values()):.4f}, "
        f"largest {found[worst]:.4f} ({worst})"
    )


def _tensor(frame: np.ndarray, torch: Any) -> Any:
    """float32 (1, 3, H, W) in −1 … 1, as the network takes it."""
    return torch.from_numpy(frame.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)


def _network() -> tuple[Any, Any]:
    try:
        package, torch = importlib.import_module("lpips"), importlib.import_module("torch")
    except ImportError:
        raise PoisonkitError("LPIPS needs a package that is not installed: pip install lpips") from None
    try:
        network = package.LPIPS(net="alex", verbose=False).eval()
    except (OSError, RuntimeError) as error:
        folder = Path(torch.hub.get_dir()) / "checkpoints"
        raise PoisonkitError(
            f"LPIPS needs AlexNet's weights, which could not be downloaded ({error})",
            f"put torchvision's alexnet-owt-7be5be79.pth into {folder}",
        ) from None
    for parameter in network.parameters():
        parameter.requires_grad = False
    return network, torch
