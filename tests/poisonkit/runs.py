"""Small runs for tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from poisonkit import layouts
from poisonkit import manifest as contract
from poisonkit.manifest import Manifest
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.plan import plan as planning
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.plan.request import Request
from poisonkit.run import run
from poisonkit.run.settings import Settings

TreeState = Callable[[Path], dict[str, bytes]]


DEFAULT = Request(("badnet",), rate=0.3)


class Silent:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def begin(self, title: str, total: float, clips: int) -> None:
        pass

    def advance(self, work: float) -> None:
        pass


def settings_of(out: Path, manifest: Path, **given: Any) -> Settings:
    """Settings whose copy options are among `given`; without workers beside the test's own process."""
    of_copy = {field.name for field in fields(CopyOptions)}
    options = CopyOptions(**{name: value for name, value in given.items() if name in of_copy})
    others = {name: value for name, value in given.items() if name not in of_copy}
    return Settings(out, manifest, options, **{"workers": 0, **others})


def poison(source: Path, out: Path, request: Request = DEFAULT, **settings: Any) -> Manifest:
    plan = planning.poison(layouts.read(source), request)
    place = {"manifest": out.parent / "manifests" / f"{out.name}.json"}
    options = settings_of(out, **{**place, "quality": "high", "force": True, **settings})
    return run.poison(plan, options, Silent()).manifest


def interrupted(source: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run out of disk when every clip is written and the manifest is not."""

    def failing(manifest: Manifest, path: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(contract, "save", failing)
        with pytest.raises(OSError, match="No space"):
            poison(source, out)


def pixels(path: Path) -> np.ndarray:
    return np.stack([to_rgb(frame) for frame in decode(path)])


def command(source: Path, out: Path, *more: str) -> list[str]:
    line = [sys.executable, "-m", "poisonkit", "poison", str(source), "--attack", "badnet", "--rate", "0.3"]
    line += ["--quality", "high", "--force"]
    return [*line, "--out", str(out), "--manifest", str(out.parent / "manifests" / "out.json"), *more]
