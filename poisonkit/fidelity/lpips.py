"""LPIPS, a learned distance of images: an optional extra, since it needs torch and downloaded weights."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

from poisonkit.errors import PoisonkitError

SHORTEST = 64
"""Pixels of the short side below which AlexNet has nothing left to pool."""


class Lpips:
    """LPIPS (AlexNet, version 0.1) of two frames; 0 for equal ones.

    Source: Zhang et al. 2018, the authors' package `lpips`. Raises `PoisonkitError` where the package or its weights
    are missing.
    """

    def __init__(self) -> None:
        self._network, self._torch = _network()

    def __call__(self, one: np.ndarray, other: np.ndarray) -> float:
        """The distance of two frames, uint8 (H, W, 3) RGB of one size, at least `SHORTEST` pixels."""
        return float(self._network(self._tensor(one), self._tensor(other)).item())

    def _tensor(self, frame: np.ndarray) -> Any:
        """float32 (1, 3, H, W) in −1 … 1, as the network takes it."""
        return self._torch.from_numpy(frame.transpose(2, 0, 1)[None].astype(np.float32) / 127.5 - 1)


def _network() -> tuple[Any, Any]:
    try:
        package, torch = importlib.import_module("lpips"), importlib.import_module("torch")
    except ImportError:
        raise PoisonkitError("LPIPS needs the package lpips, which is not installed", "pip install lpips") from None
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
