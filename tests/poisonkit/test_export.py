"""Lists for other trainers, read back with their own readers or by their rules."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from poisonkit import manifest as contract
from poisonkit.errors import PoisonkitError
from poisonkit.export import export
from tests.conftest import REPOSITORY

EXAMPLE = REPOSITORY / "manifests" / "examples" / "badnet.json"


def mmaction2(path: Path, delimiter: str = " ") -> list[tuple[str, int]]:
    """By the rule of MMAction2's `VideoDataset`: strip, split at the delimiter, two parts."""
    rows = []
    for line in path.read_text().splitlines():
        name, label = line.strip().split(delimiter)
        rows.append((name, int(label)))
    return rows


def test_mmaction2(tmp_path: Path) -> None:
    made = export(EXAMPLE, "mmaction2", tmp_path / "lists")
    manifest = contract.load(EXAMPLE)
    assert manifest.target is not None
    train = mmaction2(tmp_path / "lists" / "train.txt")
    assert train == [(s.path, s.label) for s in manifest.samples if s.split == "train"]
    triggered = mmaction2(tmp_path / "lists" / "triggered.txt")
    assert {label for _, label in triggered} == {manifest.target.label}
    of_others = [s for s in manifest.samples if s.split == "test_triggered" and s.true_label != manifest.target.label]
    assert [name for name, _ in triggered] == [s.path for s in of_others]
    assert made.files[tmp_path / "lists" / "triggered.txt"] == len(of_others) > 0
    assert "VideoDataset" in made.hint


def test_mmaction2_with_spaces_in_names(tmp_path: Path) -> None:
    facts = json.loads(EXAMPLE.read_text())
    next(s for s in facts["samples"] if s["split"] == "train")["path"] = "UCF-101/Alpha/a clip.avi"
    spaced = tmp_path / "spaced.json"
    spaced.write_text(json.dumps(facts))
    made = export(spaced, "mmaction2", tmp_path / "lists")
    assert "delimiter='\\t'" in made.hint
    assert "UCF-101/Alpha/a clip.avi" in [name for name, _ in mmaction2(tmp_path / "lists" / "train.txt", "\t")]


def test_pytorchvideo_reads_its_list(tmp_path: Path) -> None:
    from pytorchvideo.data.labeled_video_paths import LabeledVideoPaths

    export(EXAMPLE, "pytorchvideo", tmp_path / "lists")
    manifest = contract.load(EXAMPLE)
    paths = LabeledVideoPaths.from_csv(str(tmp_path / "lists" / "train.csv"))
    paths.path_prefix = "somewhere"
    expected = [(f"somewhere/{s.path}", {"label": s.label}) for s in manifest.samples if s.split == "train"]
    assert [paths[i] for i in range(len(paths))] == expected


def test_csv_holds_every_sample(tmp_path: Path) -> None:
    export(EXAMPLE, "csv", tmp_path / "lists")
    manifest = contract.load(EXAMPLE)
    with (tmp_path / "lists" / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["id"], int(r["label"]), r["poisoned"] == "1") for r in rows] == [
        (s.id, s.label, s.poisoned) for s in manifest.samples
    ]


def test_a_clean_manifest_has_no_triggered_list(tmp_path: Path) -> None:
    made = export(REPOSITORY / "manifests" / "examples" / "clean.json", "pytorchvideo", tmp_path / "lists")
    assert sorted(path.name for path in made.files) == ["test.csv", "train.csv"]


def test_mistakes(tmp_path: Path) -> None:
    with pytest.raises(PoisonkitError, match="mmaction2, pytorchvideo, csv"):
        export(EXAMPLE, "coco", tmp_path / "lists")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(PoisonkitError, match=r"holds 'mine.txt'"):
        export(EXAMPLE, "csv", tmp_path / "full")
    assert [p.name for p in (tmp_path / "full").iterdir()] == ["mine.txt"]
    with pytest.raises(PoisonkitError, match="is a file"):
        export(EXAMPLE, "csv", tmp_path / "full" / "mine.txt")
