"""Checkpoints of this project: a header that says what the weights are for, and the state dict.

Loading asks torch for tensors and plain values only (`weights_only=True`), so that a checkpoint from
elsewhere cannot run code; safetensors hold nothing else. Public weights of other projects, with their own
key names, are the same step: a state dict and its header.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import torch as safetensors
from torch import Tensor

from trainer.errors import TrainerError
from trainer.models._base import Victim
from trainer.presets.preset import Geometry
from trainer.text import argument

FORMAT = "trainer/weights/1"


@dataclass(frozen=True)
class Weights:
    """A state dict and what it belongs to."""

    model: str
    preset: str
    geometry: Geometry
    classes: list[str]
    state: dict[str, Tensor]


@dataclass(frozen=True)
class Loaded:
    """What `initialise` did: whether the head was kept, and keys that did not match."""

    head_kept: bool
    missing: list[str]
    unexpected: list[str]


def save(weights: Weights, path: Path) -> None:
    """Write a checkpoint atomically."""
    content = {"format": FORMAT, **asdict(weights)}
    partial = path.with_name(f".{path.name}.partial")
    torch.save(content, partial)
    os.replace(partial, path)


def load(path: Path) -> Weights:
    """Read a checkpoint, torch's or safetensors.

    Raises `TrainerError` with a sentence for whatever is wrong with it.
    """
    try:
        content: Any = _content(path)
    except OSError as error:
        raise TrainerError(
            f"cannot read the weights {path}: {error.strerror}", "give the path of a weights.pt"
        ) from None
    except Exception:  # foreign bytes fail in any way; torch's own message advises to run what they hold
        raise TrainerError(
            f"{path} is not a checkpoint of this project, nor any file of tensors alone", "give a run's weights.pt"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        return _foreign(content, path)
    try:
        geometry = Geometry(**content["geometry"])
        return Weights(content["model"], content["preset"], geometry, list(content["classes"]), content["state"])
    except (KeyError, TypeError) as error:
        raise TrainerError(f"{path} has a damaged header ({error})", "train the model anew") from None


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.load(path.read_bytes())
    return torch.load(path, map_location="cpu", weights_only=True)


def _foreign(content: Any, path: Path) -> Weights:
    from trainer.models import _public  # it knows the models, which this module's readers need not

    try:
        found = _public.recognise(content)
    except (KeyError, IndexError) as error:
        raise TrainerError(
            f"{path} looks like a checkpoint of another project, but lacks {error}", "fetch it anew"
        ) from None
    if found is None:
        raise TrainerError(
            f"{path} is no checkpoint of this project, nor an I3D, SlowFast or TSM of pytorchvideo or MMAction2",
            "give a run's weights.pt or one of theirs",
        )
    model, geometry, state = found
    head = next((value for key, value in state.items() if key.endswith("proj.bias")), None)
    count = 0 if head is None else len(head)
    return Weights(model, "public", geometry, [f"class {k}" for k in range(count)], state)


def adopt(geometry: Geometry, theirs: Geometry) -> Geometry:
    """A preset's geometry with what belongs to the weights: their normalisation, and the form of lateral fusion."""
    return replace(geometry, mean=theirs.mean, std=theirs.std, fusion_norm=theirs.fusion_norm)


def check(model: str, geometry: Geometry, weights: Weights, force: bool = False) -> None:
    """Raise `TrainerError` when weights are of another model or geometry: such would load and mean nothing.

    With `force` another geometry is fine.
    """
    if weights.model != model:
        raise TrainerError(
            f"the weights are of model {weights.model!r}, the run's is {model!r}", "give weights of the same model"
        )
    if weights.geometry != geometry and not force:
        theirs, ours = asdict(weights.geometry), asdict(geometry)
        differing = [f"{key} {theirs[key]} instead of {ours[key]}" for key in ours if theirs[key] != ours[key]]
        raise TrainerError(
            f"the weights are of another geometry ({', '.join(differing)})",
            f"give weights of the run's preset, or {argument('force', True)}",
        )


def initialise(model: Victim, geometry: Geometry, weights: Weights, force: bool = False) -> Loaded:
    """Put weights into a model; a head for another number of classes is left as it is.

    Raises `TrainerError` as `check` does. With `force` another geometry is taken as far as the tensors fit.
    """
    check(model.name, geometry, weights, force)
    state = dict(weights.state)
    prefix = next(name for name, module in model.named_modules() if module is model.head)
    head_keys = [f"{prefix}.weight", f"{prefix}.bias"]
    kept = head_keys[0] in state and state[head_keys[0]].shape == model.head.weight.shape
    if not kept:
        state = {key: value for key, value in state.items() if key not in head_keys}
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise TrainerError(f"the weights do not fit the model: {str(error).splitlines()[-1].strip()}") from None
    missing = [key for key in result.missing_keys if kept or key not in head_keys]
    return Loaded(kept, missing, list(result.unexpected_keys))


def to_channels_last(model: Victim) -> Victim:
    """The same model with channels last in memory, which makes a step on CPUs about half as long."""
    return model.to(memory_format=model.memory_format)
