"""Checkpoints of this project: a header that says what the weights are for, and the state dict.

Loading asks torch for tensors and plain values only (`weights_only=True`), so that a checkpoint from
elsewhere cannot run code; safetensors hold nothing else. Public weights of other projects, with their own
key names, are the same step: a state dict and its header.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import torch as safetensors

from trainer import models
from trainer.errors import TrainerError
from trainer.models import public
from trainer.models._base import Victim, Weights
from trainer.presets import geometry
from trainer.presets.preset import Preset
from trainer.text import argument

FORMAT = "trainer/weights/1"
CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}
"""The memory format of a tensor with so many axes."""


@dataclass(frozen=True)
class Loaded:
    """What `initialise` did: whether the head was kept, and keys that did not match."""

    head_kept: bool
    missing: list[str]
    unexpected: list[str]


def save(weights: Weights, path: Path) -> None:
    """Write a checkpoint atomically."""
    content = {
        "format": FORMAT,
        "model": weights.model,
        "preset": weights.preset,
        "geometry": geometry.row(weights.options, weights.frames, weights.normalisation),
        "classes": weights.classes,
        "state": OrderedDict(weights.state),  # without the notes that torch ties to a state
    }
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
        options = models.find(content["model"]).options_type()
        form = geometry.read(content["geometry"], options)
        return Weights(content["model"], content["preset"], *form, list(content["classes"]), content["state"])
    except (KeyError, TypeError) as error:
        raise TrainerError(f"{path} has a damaged header ({error})", "train the model again") from None


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.load(path.read_bytes())
    return torch.load(path, map_location="cpu", weights_only=True)


def _foreign(content: Any, path: Path) -> Weights:
    try:
        found = public.recognise(content)
    except (KeyError, IndexError) as error:
        raise TrainerError(
            f"{path} looks like a checkpoint of another project, but lacks {error}", "fetch it again"
        ) from None
    if found is None:
        known = ", ".join(public.recognising())
        raise TrainerError(
            f"{path} is no checkpoint of this project, nor one of another project that a model here knows ({known})",
            "give a run's weights.pt, or published weights of one of these models",
        )
    return found


def adopt(preset: Preset, theirs: Weights) -> Preset:
    """A preset with what belongs to the weights: their normalisation, and what their options say of their form."""
    same = isinstance(theirs.options, type(preset.options))
    options = preset.options.adopt(theirs.options) if same else preset.options
    return replace(preset, options=options, normalisation=theirs.normalisation)


def check(model: str, preset: Preset, weights: Weights, force: bool = False) -> None:
    """Raise `TrainerError` when weights are of another model or geometry: such would load and mean nothing.

    The geometry is all of options, normalisation and frames. With `force` another one is fine.
    """
    if weights.model != model:
        raise TrainerError(
            f"the weights are of model {weights.model!r}, the run's is {model!r}", "give weights of the same model"
        )
    theirs = geometry.row(weights.options, weights.frames, weights.normalisation)
    ours = geometry.row(preset.options, preset.frames, preset.normalisation)
    differing = [f"{key} {theirs[key]} instead of {value}" for key, value in ours.items() if theirs[key] != value]
    if differing and not force:
        raise TrainerError(
            f"the weights are of another geometry ({', '.join(differing)})",
            f"give weights of the run's preset, or {argument('force', True)}",
        )


def initialise(model: Victim, weights: Weights) -> Loaded:
    """Put weights, which `check` has let pass, into a model as far as their names go.

    A head for another number of classes is left as it is. Raises `TrainerError` when the tensors do not fit.
    """
    state = dict(weights.state)
    prefix = next(name for name, module in model.named_modules() if module is model.head)
    head_keys = [f"{prefix}.weight", f"{prefix}.bias"]
    kept = head_keys[0] in state and state[head_keys[0]].shape == model.head.weight.shape
    if not kept:
        state = {key: value for key, value in state.items() if key not in head_keys}
    try:
        result = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        raise TrainerError(
            f"the weights do not fit the model: {str(error).splitlines()[-1].strip()}",
            "give weights of a model of the same size, which the same preset makes",
        ) from None
    missing = [key for key in result.missing_keys if kept or key not in head_keys]
    return Loaded(kept, missing, list(result.unexpected_keys))


def to_channels_last(model: Victim) -> Victim:
    """The same model with channels last in memory, which makes a step on CPUs about half as long.

    Each tensor goes by its own number of axes, so a model may mix 2-D and 3-D convolutions. A model whose
    `memory_format` is contiguous stays as it is.
    """
    if model.memory_format == torch.contiguous_format:
        return model
    for tensor in (*model.parameters(), *model.buffers()):
        if tensor.dim() in CHANNELS_LAST:
            tensor.data = tensor.data.to(memory_format=CHANNELS_LAST[tensor.dim()])
    return model
