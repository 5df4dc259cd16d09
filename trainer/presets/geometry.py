"""What weights fit: a model's own options, the normalisation of its input, and the number of frames in a clip.

Files and digests hold the three as one row, `geometry`. Its order and constants date from when all models had the same
row: so older weights are read, and presets keep their digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self, TypeVar

_FIRST = ("width", "frames", "stem_stride", "pool_stride", "differences", "mean", "std")
_LATER: Mapping[str, Any] = {"alpha": 1, "fusion_kernel": 0, "fusion_norm": True}
"""Fields that came later, and their values in rows without them."""


@dataclass(frozen=True)
class Options:
    """What a model's layers are built by; each model's file has a frozen dataclass of its own that derives from this.

    They stand in the header of weights, and weights of other options are refused. Fields are numbers, booleans, texts,
    or tuples of them; none may be named `frames`, `mean` or `std`, which stand beside them there.
    """

    constants: ClassVar[Mapping[str, Any]] = {}
    """Fields of the row that are no options of this model, with the values that they have always had."""

    def adopt(self, theirs: Self) -> Self:
        """These options with what belongs to the weights that a run starts from, whose options are `theirs`."""
        return self


O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(frozen=True)
class Normalisation:
    """What a model takes out of its input; it belongs to the weights.

    One mean and standard deviation a channel: of RGB in 0 … 255, or one of the log-mel of audio.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Normalisation((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
KINETICS = Normalisation((114.75,) * 3, (57.375,) * 3)
"""The two that public video weights come with: ImageNet's, and the plain one of PySlowFast and pytorchvideo."""


def constants(**values: Any) -> Mapping[str, Any]:
    """`Options.constants` of a model that had the common row: `values`, and the fields that came later."""
    return {**values, **_LATER}


def row(options: Options, frames: int, normalisation: Normalisation) -> dict[str, Any]:
    """The three by field, in the order of files."""
    named = {**options.constants, **asdict(options), "frames": frames, **asdict(normalisation)}
    return {name: named[name] for name in sorted(named, key=_place)}


def read(row: Mapping[str, Any], kind: type[O]) -> tuple[O, int, Normalisation]:
    """Options of `kind`, frames and normalisation of a row; raises `KeyError` or `TypeError` if it is another model's.

    Fields that have defaults may be missing.
    """
    left = dict(row)
    frames, normalisation = left.pop("frames"), Normalisation(left.pop("mean"), left.pop("std"))
    own = {field.name for field in fields(kind)}
    return kind(**{k: v for k, v in left.items() if k in own or k not in kind.constants}), frames, normalisation


def chosen(options: Options, frames: int, normalisation: Normalisation) -> tuple[str, list[tuple[str, Any]]]:
    """What a digest sees: the row without fields at their defaults, so that a new one changes no digest."""
    defaults = {**_LATER, **{field.name: field.default for field in fields(options)}}
    named = row(options, frames, normalisation)
    return "Geometry", [(k, v) for k, v in named.items() if k not in defaults or v != defaults[k]]


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)
