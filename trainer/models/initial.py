"""What a run starts from: no weights, a file, or public weights by a word."""

from __future__ import annotations

import hashlib
from pathlib import Path

from trainer.models import public, weights
from trainer.models._base import Weights

NO_WEIGHTS, K400, IMAGENET = "none", "k400", "imagenet"
"""Given instead of a file of weights: none, and the public ones from Kinetics-400 or ImageNet."""


def start_from(given: Path | None, model: str, preset: str) -> tuple[Weights | None, str]:
    """The weights to start from, which `k400` and `imagenet` name too, and their file's name and hash to record."""
    if given is None:
        return None, NO_WEIGHTS
    if str(given) == IMAGENET:
        initial, path = public.imagenet(model, preset)
    else:
        path = public.fetch(model, preset) if str(given) == K400 else given
        initial = weights.load(path)
    with path.open("rb") as file:
        return initial, f"{path.name} sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
