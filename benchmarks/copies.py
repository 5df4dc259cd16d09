"""What victims are measured on: a data set, its clean manifest, and poisoned copies, made by the commands."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.measuring import Asked
from poisonkit.demo import make_demo
from trainer import manifest as manifests
from trainer.manifest import Manifest


def tool(program: str, *arguments: object) -> None:
    """Run `poisonkit` or `trainer`; raises `RuntimeError` with what it printed when it fails."""
    line = [sys.executable, "-m", program, *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(line)}: {done.stderr}")


def source(asked: Asked, train: int = 36, test: int = 12, size: tuple[int, int] = (160, 120)) -> Path:
    """The data set that was asked for, or a demo data set with so many clips a class, of that (width, height)."""
    if asked.data is not None:
        return asked.data
    made = asked.folder / f"demo-{train}-{test}-{size[0]}x{size[1]}"
    if not made.exists():
        make_demo(made, clips_per_class_train=train, clips_per_class_test=test, size=size)
    return made


def clean(asked: Asked, data: Path) -> Manifest:
    """The manifest of the clean data set."""
    path = asked.folder / f"{data.name}-clean.json"
    if not path.exists():
        tool("poisonkit", "index", data, "--manifest", path)
    return manifests.load(path)


def poisoned(asked: Asked, data: Path, attack: str) -> Manifest:
    """The manifest of a copy with one attack."""
    path = asked.folder / f"{data.name}-{attack}.json"
    told = ("--out", asked.folder / f"{data.name}-{attack}", "--manifest", path, "--force")
    tool("poisonkit", "poison", data, "--attack", attack, "--rate", 0.1, "--quality", "high", "--no-survival", *told)
    return manifests.load(path)


def trained(manifest: Manifest, model: str, folder: Path) -> Path:
    """The folder of a run of one epoch: what it learned is no part of what is measured."""
    if folder.exists():
        shutil.rmtree(folder)
    told = ("--preset", "mini", "--epochs", 1, "--views", "1x1", "--out", folder)
    tool("trainer", "fit", manifest.path, "--model", model, *told)
    return folder
