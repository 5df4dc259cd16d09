"""Weights of other projects: recognised by their keys, renamed to this project's, and where the public ones lie.

pytorchvideo's names are this project's own. MMAction2's (1.x and 0.x, Apache-2.0) are renamed; its 2D kernels
get a time axis, and its SlowFast head, which sees the fast path first, is turned around.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainer.errors import TrainerError
from trainer.models import i3d, slowfast, tsm
from trainer.presets.preset import Geometry
from trainer.text import argument

State = dict[str, Tensor]

MMACTION2 = "https://download.openmmlab.com/mmaction/v1.0/recognition"
PYTORCHVIDEO = "https://dl.fbaipublicfiles.com/pytorchvideo/model_zoo/kinetics"


@dataclass(frozen=True)
class Public:
    """A file on the web; `sha256`: the first digits of its hash, where its name gives them."""

    url: str
    sha256: str | None = None


def _mmaction2(model: str, config: str, date: str, digits: str) -> Public:
    return Public(f"{MMACTION2}/{model}/{config}/{config}_{date}-{digits}.pth", digits)


PUBLIC = {
    ("i3d", "paper"): _mmaction2(
        "i3d", "i3d_imagenet-pretrained-r50_8xb8-32x2x1-100e_kinetics400-rgb", "20220812", "e213c223"
    ),
    ("i3d", "paper-8x8"): Public(f"{PYTORCHVIDEO}/I3D_8x8_R50.pyth"),
    ("slowfast", "paper"): Public(f"{PYTORCHVIDEO}/SLOWFAST_4x16_R50.pyth"),
    ("slowfast", "paper-8x8"): Public(f"{PYTORCHVIDEO}/SLOWFAST_8x8_R50.pyth"),
    ("tsm", "paper"): _mmaction2(
        "tsm", "tsm_imagenet-pretrained-r50_8xb16-1x1x8-50e_kinetics400-rgb", "20220831", "64d69186"
    ),
}
"""The Kinetics-400 weights that fit a model's preset."""


def fetch(model: str, preset: str) -> Path:
    """The local copy of the public weights for a preset, downloaded on first use.

    Raises `TrainerError` when there are none for it, when they cannot be fetched (it says where to put the
    file by hand), and when the file is not the published one.
    """
    if (model, preset) not in PUBLIC:
        known = ", ".join(f"{m} {argument('preset', p)}" for m, p in PUBLIC)
        raise TrainerError(
            f"there are no public weights for {model} {argument('preset', preset)}", f"there are for {known}"
        )
    public = PUBLIC[model, preset]
    path = Path(torch.hub.get_dir()) / "checkpoints" / public.url.rsplit("/", 1)[1]
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        try:
            torch.hub.download_url_to_file(public.url, str(partial), progress=False)
        except OSError as error:
            partial.unlink(missing_ok=True)
            reason = getattr(error, "reason", None) or error
            raise TrainerError(
                f"cannot fetch {public.url} ({reason})", f"download it elsewhere and put it at {path}"
            ) from None
        partial.replace(path)
    if public.sha256 is not None:
        with path.open("rb") as file:
            digits = hashlib.file_digest(file, "sha256").hexdigest()
        if not digits.startswith(public.sha256):
            raise TrainerError(
                f"{path} is not {public.url}: its SHA-256 begins with {digits[:8]} instead of {public.sha256}",
                "remove it",
            )
    return path


def recognise(content: Any) -> tuple[str, Geometry, State] | None:
    """The model, geometry and state of a foreign checkpoint, under this project's names; None if it is unknown."""
    state = content
    for wrapper in ("state_dict", "model_state"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapper), Mapping):
            state = state[wrapper]
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        return None
    keys = set(state)
    if "backbone.slow_path.conv1.conv.weight" in keys:
        return _slowfast(_renamed(state, _slowfast_name), norm=False)
    if "backbone.layer1.0.conv1.conv.net.weight" in keys:
        return _tsm(_renamed(state, _tsm_name))
    if "backbone.conv1.conv.weight" in keys and state["backbone.conv1.conv.weight"].ndim == 5:
        return _i3d(_renamed(state, _i3d_name), i3d.PAPER.geometry)
    if "blocks.0.multipathway_blocks.0.conv.weight" in keys:
        return _slowfast(dict(state), norm="blocks.0.multipathway_fusion.norm.weight" in keys)
    if "blocks.0.conv.weight" in keys and state["blocks.0.conv.weight"].shape[2] == 5:
        return _i3d(dict(state), i3d.PAPER_8X8.geometry)
    return None


def _i3d(state: State, geometry: Geometry) -> tuple[str, Geometry, State]:
    return "i3d", replace(geometry, width=state["blocks.0.conv.weight"].shape[0]), state


def _tsm(state: State) -> tuple[str, Geometry, State]:
    state = {key: value.unsqueeze(2) if value.ndim == 4 else value for key, value in state.items()}
    return "tsm", replace(tsm.PAPER.geometry, width=state["blocks.0.conv.weight"].shape[0]), state


def _slowfast(state: State, norm: bool) -> tuple[str, Geometry, State]:
    kernel = state["blocks.0.multipathway_fusion.conv_fast_to_slow.weight"].shape[2]
    width = state["blocks.0.multipathway_blocks.0.conv.weight"].shape[0]
    alpha = 4 if kernel == 7 else 8  # the published pairs: 8x8 fuses 7 frames, 4x16 fuses 5
    geometry = replace(slowfast.PAPER.geometry, width=width, alpha=alpha, fusion_kernel=kernel, fusion_norm=norm)
    if not norm:  # MMAction2's
        geometry = replace(geometry, mean=i3d.IMAGENET_MEAN, std=i3d.IMAGENET_STD)
        head = state["blocks.6.proj.weight"]
        fast = head.shape[1] // (slowfast.FAST + 1)
        state["blocks.6.proj.weight"] = torch.cat([head[:, fast:], head[:, :fast]], dim=1)
    return "slowfast", geometry, state


def _renamed(state: Mapping[str, Tensor], name: Any) -> State:
    """MMAction2's entries under this project's names; what has none keeps its own, and is listed as unexpected."""
    return {name(key) or key: value for key, value in state.items()}


def _i3d_name(key: str) -> str | None:
    return _network_name(key, "", (1, 3, 4, 5)) or _head_name(key)  # block 2 is the pool after the first stage


def _tsm_name(key: str) -> str | None:
    key = key.replace(".conv1.conv.net.weight", ".conv1.conv.weight")
    name = _network_name(key, "", (1, 2, 3, 4))
    if name is not None and name.endswith("branch2.conv_a.weight"):
        name = name.replace("conv_a.weight", "conv_a.net.weight")
    return name or _head_name(key, "blocks.5")


def _slowfast_name(key: str) -> str | None:
    lateral = re.fullmatch(r"backbone\.slow_path\.(?:conv1|layer(\d))_lateral\.conv\.weight", key)
    if lateral:
        return f"blocks.{lateral[1] or 0}.multipathway_fusion.conv_fast_to_slow.weight"
    for path, place in (("slow_path", 0), ("fast_path", 1)):
        if key.startswith(f"backbone.{path}."):
            return _network_name(key.replace(f"{path}.", ""), f".multipathway_blocks.{place}", (1, 2, 3, 4))
    return _head_name(key)


def _head_name(key: str, block: str = "blocks.6") -> str | None:
    match = re.fullmatch(r"cls_head\.fc_cls\.(weight|bias)", key)
    return f"{block}.proj.{match[1]}" if match else None


def _network_name(key: str, path: str, stages: tuple[int, ...]) -> str | None:
    """A ResNet's entry: `backbone.conv1` is the stem, `backbone.layerN.B` the blocks."""
    stem = re.fullmatch(r"backbone\.conv1\.(conv|bn)\.(\w+)", key)
    if stem:
        return f"blocks.0{path}.{'conv' if stem[1] == 'conv' else 'norm'}.{stem[2]}"
    block = re.fullmatch(r"backbone\.layer(\d)\.(\d+)\.(conv\d|downsample)\.(conv|bn)\.(\w+)", key)
    if not block:
        return None
    kind = "conv" if block[4] == "conv" else "norm"
    base = f"blocks.{stages[int(block[1]) - 1]}{path}.res_blocks.{block[2]}"
    if block[3] == "downsample":
        return f"{base}.branch1_{kind}.{block[5]}"
    return f"{base}.branch2.{kind}_{'abc'[int(block[3][-1]) - 1]}.{block[5]}"
