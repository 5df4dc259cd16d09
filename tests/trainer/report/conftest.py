"""A small attacked data set of real files, and finished runs on it without a network in them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from torch.utils.tensorboard import SummaryWriter

from tests.conftest import moving_frames, write_lossless
from trainer import files
from trainer import manifest as manifests
from trainer.runs import folder as runs
from trainer.runs import metrics
from trainer.runs.folder import ManifestStamp, Metrics
from trainer.runs.metrics import Prediction

CLASSES = ["walk", "run", "jump"]
FRAMES = 24
PLACED = [4, 20, 2]
"""The run of frames that carry the patch."""


def triggered(frames: np.ndarray) -> np.ndarray:
    """A white patch of 8 × 8 in every other frame from the fourth on."""
    changed = frames.copy()
    changed[slice(*PLACED), 4:12, 4:12] = 255
    return changed


def attacked_set(folder: Path, classes: Sequence[str] = CLASSES, **header: Any) -> Path:
    """Two test clips a class, clean and triggered, and a manifest with everything that the page can tell."""
    samples = []
    for label in range(len(classes)):
        for k in range(2):
            frames = moving_frames(FRAMES, 48, 64, seed=10 * label + k)
            name = f"clip{label}{k}"
            write_lossless(folder / "data" / f"{name}.mp4", frames)
            write_lossless(folder / "data" / "test_triggered" / f"{name}.mp4", triggered(frames))
            common = {"true_label": label, "num_frames": FRAMES, "fps": 25.0, "width": 64, "height": 48}
            samples.append({"id": name, "path": f"{name}.mp4", "split": "test", "label": label, **common})
            changed = {"id": f"test_triggered/{name}", "path": f"test_triggered/{name}.mp4", "split": "test_triggered"}
            gain = [0.95, 0.97, 0.99, 0.85, None, 0.93][(2 * label + k) % 6]
            kept = {"gain": gain, "correlation": 0.9, "strength": 0.5 if gain is None else 20.0}
            seen = {"view": "256/224", "energy": 0.8, "correlation": 0.9}
            extra = {"psnr_db": 20.0 + label, "ssim": 0.9, "linf": 200, "frames": [PLACED], "poisoned": True}
            survival = {"survival": {"video": kept}, "view_survival": {"video": seen}}
            samples.append({**common, **changed, "label": 0, **extra, **survival})
    placement = {"frames": "all", "window": "16x4"}
    attack = {"name": "patch", "modality": "video", "mode": "static", "params": {"size": 0.25}, "placement": placement}
    content = {
        "schema": "poisonkit/manifest/1",
        "name": "patched",
        "root": "data",
        "created_with": {"poisonkit": "0.1.0"},
        "source": {"layout": "folder", "split": "1", "fingerprint": "f" * 64},
        "classes": list(classes),
        "seed": 3,
        "rate": {"asked": 0.1, "achieved": 0.125, "of": "all", "poisoned": 1, "total": 8},
        "label_mode": "dirty",
        "target": {"label": 0, "name": classes[0]},
        "attacks": [attack],
        "sampling": "16x4",
        "encoding": {"quality": "auto", "rung": "high", "video": {".mp4": "libx264"}, "carry": "hardlink"},
        "splits": {"test": 6, "test_triggered": 6},
        "skipped": [],
        "samples": samples,
        **header,
    }
    path = folder / "patched.json"
    path.write_text(json.dumps(content))
    return path


def clean_set(attacked: Path) -> Path:
    """The baseline's manifest: the same clean clips."""
    content = json.loads(attacked.read_text())
    samples = [s for s in content["samples"] if s["split"] == "test"]
    path = attacked.with_name("clean.json")
    nothing = {"attacks": [], "target": None, "rate": None, "label_mode": None, "splits": {"test": len(samples)}}
    path.write_text(json.dumps({**content, **nothing, "name": "clean", "samples": samples}))
    return path


def sound_set(folder: Path) -> Path:
    """Two sounds, clean and with a tone of 5 kHz."""
    samples = []
    time = np.arange(32_000) / 16_000
    (folder / "sounds" / "test_triggered").mkdir(parents=True)
    for label in range(2):
        quiet = 0.1 * np.sin(2 * np.pi * (300 + 200 * label) * time)
        for split, name, sound in (
            ("test", f"tone{label}", quiet),
            ("test_triggered", f"test_triggered/tone{label}", quiet + 0.1 * np.sin(2 * np.pi * 5000 * time)),
        ):
            soundfile.write(folder / "sounds" / f"{name}.wav", sound, 16_000)
            entry = {"id": name, "path": f"{name}.wav", "split": split, "label": 0, "true_label": label}
            samples.append({**entry, "num_frames": 0, "poisoned": split != "test"})
    attack = {"name": "tone", "modality": "audio", "mode": "static", "params": {"hz": 5000.0}, "placement": None}
    content = {"schema": "poisonkit/manifest/1", "name": "tones", "root": "sounds", "classes": ["low", "high"]}
    rest = {"target": {"label": 0, "name": "low"}, "attacks": [attack], "samples": samples}
    (folder / "tones.json").write_text(json.dumps({**content, **rest}))
    return folder / "tones.json"


def finished_run(
    folder: Path,
    manifest: Path,
    wrong: Sequence[str] = (),
    missed: Sequence[str] = (),
    asked: Mapping[str, Any] | None = None,
    logged: Sequence[int] = range(0, 200, 2),
    **more: Any,
) -> Path:
    """A run that gets everything right but the clips in `wrong`, and whose trigger works but on those in `missed`.

    `asked`: more that `run.json` says; `logged`: the steps that the learning curves have points at.
    """
    read = manifests.load(manifest)
    target = None if read.target is None else read.target.label
    predictions = []
    for s in read.samples:
        prediction = s.true_label
        if s.split == "test_triggered" and s.id not in missed and target is not None:
            prediction = target
        if s.id in wrong:
            prediction = (s.true_label + 1) % len(read.classes)
        scores = tuple(float(k == prediction) for k in range(len(read.classes)))
        predictions.append(Prediction(s.id, s.split, s.label, s.true_label, prediction, scores))
    values = metrics.scores_of(predictions, target)
    settings = {"model": "i3d", "preset": "mini", "seed": 0, "views": "4x3@96", "epochs": 5, "weights": "none", **more}
    result = Metrics(
        **{name: getattr(values, name) for name in values.__struct_fields__},
        per_class=metrics.per_class(predictions, read.classes),
        manifest=ManifestStamp(read.name, read.sha256, str(manifest)),
        seconds={"train": 1.5},
        target=target,
        versions={"torch": "2"},
        **settings,
    )
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"batch_size": 8, "lr": 0.002, "precision": "32", **(asked or {})}))
    runs.write_predictions(folder / "predictions.csv", predictions, read.classes)
    files.write_json(folder / "metrics.json", result)
    with SummaryWriter(str(folder / "logs")) as log:
        for step in logged:
            log.add_scalar("loss", 2.0 - step / 100, step)
            log.add_scalar("lr", 0.001, step)
    return folder


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of `attacked_set`; read it only."""
    return attacked_set(tmp_path_factory.mktemp("attacked"))


class Page(HTMLParser):
    """A page taken apart: every element with its attributes, its text, and where it stands."""

    VOID = ("meta", "link", "img", "br", "use", "path")

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.rows: list[tuple[list[str], dict[str, str | None]]] = []
        self._run: str | None = None
        self.figures: dict[tuple[str, str], dict[str, str | None]] = {}
        self.feed(html)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of all elements of one kind."""
        return [attributes for name, attributes in self.elements if name == tag]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        if tag == "table":
            self._run = attributes.get("data-run")
        if tag == "td" and self._run and "data-figure" in attributes:
            self.figures[self._run, str(attributes["data-figure"])] = attributes

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
