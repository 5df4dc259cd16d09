"""Finished runs with known answers, written without training: ten clips of class 1, as many triggered, five shams."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer import files
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.runs import folder as runs
from trainer.runs.folder import Fusion, ManifestStamp, Metrics, Part, Settings
from trainer.runs.metrics import Prediction, scores_of

CLASSES = ["zero", "one", "two"]
Make = Callable[..., Path]


def predictions(right: int, hits: int | None, shams: int = 0, clips: int = 10, target: int = 0) -> list[Prediction]:
    """`right` of `clips` clean clips told, `hits` of as many triggered sent to the target; all show class 1."""
    made = [Prediction(f"c{k}", "test", 1, 1, 1 if k < right else 2, (0.2, 0.6, 0.2)) for k in range(clips)]
    if hits is not None:
        for k in range(clips):
            made.append(
                Prediction(f"test_triggered/c{k}", "test_triggered", target, 1, target if k < hits else 1, (1,))
            )
        for k in range(clips // 2):
            made.append(Prediction(f"test_sham/c{k}", "test_sham", 1, 1, target if k < shams else 1, (1,)))
    return made


def write(folder: Path, stamp: ManifestStamp, made: list[Prediction], target: int | None, **more: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    values = scores_of(made, target)
    known: dict[str, object] = {"model": "i3d", "seed": 0, **more}
    metrics = Metrics(
        **{name: getattr(values, name) for name in values.__struct_fields__},
        per_class={},
        views="1x1@32",
        preset="mini",
        manifest=stamp,
        seconds={},
        epochs=1,
        weights="none",
        target=target,
        versions={},
        **known,  # type: ignore[arg-type]
    )
    runs.write_predictions(folder / "predictions.csv", made, CLASSES)
    files.write_json(folder / "metrics.json", metrics)
    return folder


def outcome(run: Path, defense: str, **more: object) -> None:
    known: dict[str, object] = {"figures": {}, **more}
    made = Outcome(
        defense=defense,
        run=run.resolve().name,
        manifest=runs.read_metrics(run).manifest,
        model="i3d",
        parameters={},
        rule="",
        clean_clips=1,
        seconds=0.0,
        versions={},
        **known,  # type: ignore[arg-type]
    )
    outcomes.write(run / "defenses" / defense, made, [])


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a run, and the manifest that it was trained on; gives its folder."""

    def run(
        name: str,
        attack: str | None = None,
        mode: str = "static",
        right: int = 10,
        hits: int = 10,
        *,
        model: str = "i3d",
        seed: int = 0,
        rate: float = 0.1,
        frames: str = "all",
        target: int = 0,
        shams: int = 0,
        kept: float = 0.9,
        clips: int = 10,
    ) -> Path:
        content: dict[str, object] = {"schema": "poisonkit/manifest/1", "name": name, "root": ".", "classes": CLASSES}
        sample = {"id": "c0", "path": "c0.mp4", "split": "test", "label": 1, "true_label": 1, "num_frames": 9}
        content["samples"] = [sample]
        content["seed"] = seed
        if attack is not None:
            modality = "audio" if model == "audio" else "video"
            placement = {"frames": frames, "window": "16x4"}
            trigger = {"name": attack, "modality": modality, "mode": mode, "params": {}, "placement": placement}
            triggered = {"split": "test_triggered", "view_survival": {modality: {"energy": kept, "correlation": 1.0}}}
            triggered["survival"] = {modality: {"gain": 0.97, "correlation": 0.99}}
            content |= {
                "attacks": [] if attack == "none" else [trigger],
                "rate": {"asked": rate, "achieved": rate, "of": "all", "poisoned": 1, "total": 10},
                "target": {"label": target, "name": CLASSES[target]},
                "label_mode": "dirty",
                "samples": [sample, {**sample, "id": "test_triggered/c0", **triggered}],
            }
        path = tmp_path / "manifests" / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
        stamp = ManifestStamp(name, hashlib.sha256(path.read_bytes()).hexdigest(), str(path))
        settings = Settings(stamp, model, "mini", "none", seed, 1, 8, 1, 0.1, 1, "32", "recipe", {})
        made = predictions(right, None if attack is None else hits, shams, clips, target)
        folder = write(
            tmp_path / "runs" / name, stamp, made, None if attack is None else target, model=model, seed=seed
        )
        files.write_json(folder / "run.json", settings)
        return folder

    return run


@pytest.fixture
def score(tmp_path: Path) -> Make:
    """Write a run's evaluation on another run's manifest."""

    def evaluation(run: Path, on: Path, hits: int, clips: int = 10) -> Path:
        stamp = runs.read_metrics(on).manifest
        own = runs.read_metrics(run)
        made = [p for p in predictions(10, hits, clips=clips) if p.split == "test_triggered"]
        folder = run / "evaluations" / f"{stamp.name}-1x1@32"
        return write(folder, stamp, made, runs.read_metrics(on).target, model=own.model, seed=own.seed)

    return evaluation


@pytest.fixture
def fuse(tmp_path: Path) -> Make:
    """Write a fused model of two runs."""

    def fused(mode: str, video: Path, audio: Path, right: int = 10, hits: int | None = 10) -> Path:
        parts = [runs.read_metrics(folder) for folder in (video, audio)]
        sides = [
            Part(str(folder), m.manifest, m.model, m.preset, m.views, m.seed)
            for folder, m in zip((video, audio), parts, strict=True)
        ]
        target = next((m.target for m in parts if m.target is not None), None)
        fusion = Fusion(mode, "logits" if mode == "late" else None, sides[0], sides[1])
        stamp = ManifestStamp("both", "sha of both")
        made = predictions(right, hits if target is not None else None)
        folder = tmp_path / "runs" / f"{video.name}+{audio.name}-{mode}"
        return write(folder, stamp, made, target, model=f"{mode} fusion", fusion=fusion)

    return fused
