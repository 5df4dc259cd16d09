"""The commands that make a run again, from what its manifest and its folder say."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trainer.manifest.attack_details import Details, Placement
from trainer.report.reading import Run, Source

SOURCE = "SRC"
"""Stands for the folder of the data set: a manifest does not say where that lay."""
WEIGHTS = "WEIGHTS"
"""Stands for the weights that a training started from, where its run does not say where those lay."""


@dataclass(frozen=True)
class Start:
    """The file that a training started from: how a command calls it, its name, and its SHA-256."""

    given: str
    name: str
    sha256: str

    @property
    def is_known(self) -> bool:
        """Whether the command can be given as it is printed."""
        return self.given != WEIGHTS


def of_run(run: Run) -> list[str]:
    """Shell lines, poisoning first; those that cannot be known are left out."""
    lines = [line for source in run.sources if (line := _poison(source))]
    if run.metrics.fusion is None:
        return [*lines, _fit(run)]
    fusion = run.metrics.fusion
    words = ["trainer", "fuse", "--video", fusion.video.run, "--audio", fusion.audio.run, "--mode", fusion.mode]
    if fusion.average not in (None, "logits"):
        words += ["--average", str(fusion.average)]
    return [*lines, shlex.join([*words, "--out", str(run.folder)])]


def start(run: Run) -> Start | None:
    """What a run started from; None for a training from scratch and for a fused run."""
    name, hashed, sha256 = run.metrics.weights.rpartition(" sha256:")
    if not hashed:
        return None
    return Start((run.asked.weights_from if run.asked else "") or WEIGHTS, name, sha256)


def _fit(run: Run) -> str:
    m, asked = run.metrics, run.asked
    words = ["trainer", "fit", _manifest_path(m.manifest.path, m.manifest.name)]
    words += ["--model", m.model, "--preset", m.preset, "--seed", str(m.seed), "--epochs", str(m.epochs)]
    if (begun := start(run)) is not None:
        words += ["--weights", begun.given]
    if asked is not None:
        words += [] if asked.batch_size is None else ["--batch-size", str(asked.batch_size)]
        words += [] if asked.lr is None else ["--lr", f"{asked.lr:g}"]
        words += [] if asked.precision == "32" else ["--precision", asked.precision]
        words += [] if asked.devices == 1 else ["--devices", str(asked.devices)]
    return shlex.join([*words, "--views", m.views, "--out", str(run.folder)])


def _poison(source: Source) -> str | None:
    details = source.details
    if details is None or source.manifest is None:
        return None
    where = ["--manifest", _manifest_path(source.stamp.path, source.stamp.name)]
    layout = _layout(details)
    if source.manifest.target is None:
        return shlex.join(["poisonkit", "index", SOURCE, *layout, *where])
    words = ["poisonkit", "poison", SOURCE]
    for attack in details.attacks:
        words += ["--attack", attack.name]
    words += [] if details.attacks else ["--attack", "none"]
    words += ["--mode", details.attacks[0].mode] if details.attacks and details.attacks[0].mode else []
    for attack in details.attacks:
        for name, value in attack.params.items():
            words += ["--set", f"{attack.name}.{name}={_value(value)}"]
    if details.rate:
        words += _option("--rate", details.rate.asked) + _option("--rate-of", details.rate.of)
    words += ["--target", str(source.manifest.target.label), *_option("--label-mode", details.label_mode)]
    words += ["--seed", str(details.seed), *layout]
    placement = next((a.placement for a in details.attacks if a.placement), Placement())
    words += _option("--frames", placement.frames) + _option("--window", details.sampling)
    view = next((c.view_survival["video"].view for c in details.samples if "video" in c.view_survival), None)
    words += [*_option("--view", view), *_encoding(details.encoding or {})]
    # the folder as poisonkit finds it: links in the way are followed before the manifest's `..` are
    return shlex.join([*words, "--out", str(source.manifest.root.resolve()), *where])


def _layout(details: Details) -> list[str]:
    source = details.source or {}
    split = str(source.get("split") or "")
    # official splits and folds have numbers; other words describe how a folder was split
    return _option("--layout", source.get("layout")) + _option("--split", split if split.isdecimal() else None)


def _encoding(encoding: dict[str, Any]) -> list[str]:
    names = {"quality": "--quality", "clip": "--clip", "short_side": "--short-side"}
    words = [word for name, option in names.items() for word in _option(option, encoding.get(name))]
    carry = encoding.get("carry")
    return [*words, *_option("--carry", {"hardlink": "link", "reflink": "link"}.get(str(carry), carry))]


def _option(name: str, value: Any) -> list[str]:
    return [] if value in (None, "", "none") else [name, _value(value)]


def _value(value: Any) -> str:
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ",".join(map(_value, value))
    return str(value)


def _manifest_path(path: str, name: str) -> str:
    return path or f"manifests/{name}.json"
