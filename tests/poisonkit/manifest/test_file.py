"""Manifests as files: what is refused, and what a saved one is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poisonkit import manifest as contract
from poisonkit.errors import ManifestError
from tests.poisonkit.manifest.examples import EXAMPLES, example, saved


def test_samples_are_sorted_and_saving_leaves_nothing_behind(tmp_path: Path) -> None:
    made = contract.load(EXAMPLES[0])
    made.samples.reverse()
    contract.save(made, tmp_path / "folder" / "m.json")
    ids = [s["id"] for s in json.loads((tmp_path / "folder" / "m.json").read_text())["samples"]]
    assert ids == sorted(ids)
    assert [p.name for p in (tmp_path / "folder").iterdir()] == ["m.json"]


def test_a_missing_manifest_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot read the manifest"):
        contract.load(tmp_path / "none.json")


def test_a_folder_is_told_how_to_become_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=f"{tmp_path} is a folder; .*`poisonkit index {tmp_path}` makes one"):
        contract.load(tmp_path)


def test_nan_is_never_written(tmp_path: Path) -> None:
    made = contract.load(EXAMPLES[0])
    made.samples[0].psnr_db = float("nan")
    with pytest.raises(ManifestError, match="nan"):
        contract.save(made, tmp_path / "m.json")
    assert not (tmp_path / "m.json").exists()


def test_the_root_is_found_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "far" / "manifests").mkdir(parents=True)
    (tmp_path / "manifests").symlink_to(tmp_path / "far" / "manifests")
    saved(tmp_path / "manifests", example())
    path = next((tmp_path / "manifests").glob("*.json"))
    manifest = contract.load(path)
    assert contract.root_of(manifest, path) == (tmp_path / "far" / "manifests" / manifest.root).resolve()
