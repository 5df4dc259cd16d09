"""The clips that people are shown: other classes first, always the same ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.trainer.conftest import sample
from trainer import manifest
from trainer.evaluation import example_clips

CLASSES = ["target", "b", "c"]


def test_one_of_each_class_before_a_second(write_manifest: Callable[..., Path]) -> None:
    clips = [("z", 0), ("y", 1), ("x", 1), ("w", 2), ("v", 2), ("u", 0)]
    samples = [sample(name, "test", label) for name, label in clips]
    samples += [sample(f"test_triggered/{name}", "test_triggered", 0, true_label=label) for name, label in clips]
    read = manifest.load(write_manifest(samples, classes=CLASSES, target={"label": 0, "name": "target"}))
    chosen = example_clips.choose(read, 5)
    # labels 1 and 2 in turn, ids in order; the target's own clips come last
    assert [example.name for example in chosen] == ["x", "v", "y", "w", "u"]
    assert [example.triggered.id for example in chosen if example.triggered] == [
        f"test_triggered/{name}" for name in "xvywu"
    ]
    assert [example.clean.id for example in chosen if example.clean] == list("xvywu")
    assert [example.name for example in example_clips.choose(read, 9, labels=[2])] == ["v", "w"]


def test_clips_without_a_triggered_copy(write_manifest: Callable[..., Path]) -> None:
    clean = manifest.load(write_manifest([sample("b", "test", 1), sample("a", "test", 0), sample("c")]))
    assert [(e.name, e.triggered) for e in example_clips.choose(clean, 3)] == [("a", None), ("b", None)]
    one = [sample("a", "test"), sample("b", "test"), sample("test_triggered/b", "test_triggered")]
    attacked = manifest.load(write_manifest(one, target={"label": 0, "name": "left"}))
    assert [e.name for e in example_clips.choose(attacked, 3)] == ["b"]
