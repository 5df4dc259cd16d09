"""Options, frames and normalisation as one row: what files hold, and what digests see."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from trainer.presets import geometry
from trainer.presets.geometry import Normalisation, Options

LEVEL = Normalisation((1.0,), (2.0,))


@dataclass(frozen=True)
class Own(Options):
    depth: int
    gate: bool = False


@dataclass(frozen=True)
class Common(Options):
    constants: ClassVar[Mapping[str, Any]] = geometry.constants(stem_stride=2, pool_stride=2, differences=False)

    width: int


def test_a_models_own_options_stand_alone() -> None:
    row = geometry.row(Own(18), 16, LEVEL)
    assert row == {"frames": 16, "mean": (1.0,), "std": (2.0,), "depth": 18, "gate": False}
    assert geometry.read(row, Own) == (Own(18), 16, LEVEL)
    assert geometry.read({k: v for k, v in row.items() if k != "gate"}, Own) == (Own(18), 16, LEVEL)


def test_a_model_of_the_common_row_keeps_it() -> None:
    row = geometry.row(Common(64), 256, LEVEL)
    assert " ".join(row) == (
        "width frames stem_stride pool_stride differences mean std alpha fusion_kernel fusion_norm"
    )
    assert geometry.read(row, Common) == (Common(64), 256, LEVEL)


@pytest.mark.parametrize(
    ("kind", "row"),
    [
        (Own, {"frames": 16, "mean": (1.0,), "std": (2.0,)}),
        (Own, {"frames": 16, "mean": (1.0,), "std": (2.0,), "depth": 18, "width": 64}),
        (Own, {"mean": (1.0,), "std": (2.0,), "depth": 18}),
        (Common, {"frames": 16, "mean": (1.0,), "std": (2.0,), "depth": 18, "width": 64}),
    ],
)
def test_a_row_of_another_model_is_not_read(kind: type[Options], row: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError)):
        geometry.read(row, kind)


def test_defaults_are_left_out_of_digests() -> None:
    assert geometry.chosen(Own(18), 16, LEVEL) == (
        "Geometry",
        [("frames", 16), ("mean", (1.0,)), ("std", (2.0,)), ("depth", 18)],
    )
    assert geometry.chosen(Own(18, gate=True), 16, LEVEL)[1][-1] == ("gate", True)
