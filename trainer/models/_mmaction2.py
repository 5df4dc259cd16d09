"""MMAction2's checkpoints (1.x and 0.x, Apache-2.0): where they lie, and how they name what a ResNet is made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from trainer.models._base import PublicFile, State

ZOO = "https://download.openmmlab.com/mmaction/v1.0/recognition"


def published(model: str, config: str, date: str, digits: str) -> PublicFile:
    """A file of its model zoo, whose name ends in the first digits of its SHA-256."""
    return PublicFile(f"{ZOO}/{model}/{config}/{config}_{date}-{digits}.pth", "Apache-2.0", digits)


def renamed(state: Mapping[str, Tensor], name: Callable[[str], str | None]) -> State:
    """Its entries under our names; what has none keeps its own, and is listed as unexpected."""
    return {name(key) or key: value for key, value in state.items()}


def head_name(key: str, block: str) -> str | None:
    """Our name of an entry of the classifier; `block` is the one that holds `proj`."""
    match = re.fullmatch(r"cls_head\.fc_cls\.(weight|bias)", key)
    return f"{block}.proj.{match[1]}" if match else None


def network_name(key: str, stages: tuple[int, ...], path: str = "") -> str | None:
    """Our name of a ResNet's entry: `backbone.conv1` is the stem, `backbone.layerN.B` the blocks.

    `stages`: the numbers of our blocks that hold layers 1 to 4; `path`: what follows such a number.
    """
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
