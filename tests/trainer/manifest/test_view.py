"""What the read-only view takes and what it refuses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.trainer.conftest import sample
from trainer import manifest as manifests
from trainer.errors import ClipError, ManifestError

WriteManifest = Callable[..., Path]


def test_reads_what_training_needs(write_manifest: WriteManifest) -> None:
    path = write_manifest(
        [
            sample("a"),
            sample("b", "test", 1, stride=1),
            sample("test_triggered/b", "test_triggered", 0, true_label=1),
        ],
        target={"label": 0, "name": "left"},
    )
    manifest = manifests.load(path)
    assert manifest.name == "toy"
    assert manifest.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert manifest.target is not None
    assert manifest.target.label == 0
    assert [s.id for s in manifest.split("train")] == ["a"]
    assert [s.stride for s in manifest.samples] == [None, 1, None]
    assert manifest.samples[2].label == 0
    assert manifest.samples[2].true_label == 1
    assert manifest.file_of(manifest.samples[0]) == path.parent / "data" / "a.mp4"


def test_unknown_fields_and_minor_versions_are_fine(write_manifest: WriteManifest) -> None:
    path = write_manifest([sample("a", new_field={"x": 1})], schema="poisonkit/manifest/1.3", news=[1])
    assert len(manifests.load(path).samples) == 1


@pytest.mark.parametrize("schema", ["poisonkit/manifest/2", "poisonkit/manifest/10", "other/1"])
def test_other_schemas_are_refused(write_manifest: WriteManifest, schema: str) -> None:
    with pytest.raises(ManifestError, match="has schema"):
        manifests.load(write_manifest([sample("a")], schema=schema))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": "../secret.mp4"}, "leaves the root"),
        ({"path": "a/../../b.mp4"}, "leaves the root"),
        ({"path": "/etc/passwd"}, "leaves the root"),
        ({"path": ""}, "leaves the root"),
        ({"path": "a\0b"}, "control character"),
        ({"label": 2}, "label 2"),
        ({"true_label": -1}, "true label -1"),
        ({"stride": 0}, "stride 0"),
        ({"num_frames": "ten"}, "Expected `int`"),
    ],
)
def test_impossible_samples_are_refused(write_manifest: WriteManifest, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        manifests.load(write_manifest([sample("a") | changes]))


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"root": "/data"}, "absolute"),
        ({"classes": []}, "no classes"),
        ({"target": {"label": 7, "name": "x"}}, "target 7"),
    ],
)
def test_impossible_headers_are_refused(write_manifest: WriteManifest, header: dict[str, Any], words: str) -> None:
    with pytest.raises(ManifestError, match=words):
        manifests.load(write_manifest([], **header))


def test_ids_occur_once(write_manifest: WriteManifest) -> None:
    with pytest.raises(ManifestError, match="'a' occurs twice"):
        manifests.load(write_manifest([sample("a"), sample("a")]))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"\xff\xfe", b'{"schema": "poisonkit/manifest/1"}', b"[" * 100_000]
)
def test_broken_files_are_one_sentence(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ManifestError, match=r"broken.json") as caught:
        manifests.load(path)
    assert "\n" not in str(caught.value)


def test_deep_nesting_in_an_unknown_field(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text('{"schema": "poisonkit/manifest/1", "x": ' + "[" * 100_000 + "]" * 100_000 + "}")
    with pytest.raises(ManifestError, match=r"deep.json"):
        manifests.load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"cannot read the manifest .*nothing.json"):
        manifests.load(tmp_path / "nothing.json")


def test_a_folder_is_told_how_to_become_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=f"{tmp_path} is a folder; .*`poisonkit index {tmp_path}` makes one"):
        manifests.load(tmp_path)


def test_other_json_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"cda": 1}')
    with pytest.raises(ManifestError, match=r"metrics\.json is not a manifest: it has no schema; make one with"):
        manifests.load(tmp_path / "metrics.json")


def test_links_out_of_the_root_are_refused(write_manifest: WriteManifest, tmp_path: Path) -> None:
    manifest = manifests.load(write_manifest([sample("a"), sample("b")]))
    (tmp_path / "data").mkdir()
    (tmp_path / "outside.mp4").write_bytes(b"x")
    os.symlink(tmp_path / "outside.mp4", tmp_path / "data" / "a.mp4")
    (tmp_path / "data" / "real.mp4").write_bytes(b"x")
    os.symlink("real.mp4", tmp_path / "data" / "b.mp4")
    with pytest.raises(ClipError, match="leads out of the root"):
        manifest.file_of(manifest.samples[0])
    assert manifest.file_of(manifest.samples[1]).name == "b.mp4"


def test_root_itself_may_be_a_link(write_manifest: WriteManifest, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.mp4").write_bytes(b"x")
    os.symlink(tmp_path / "elsewhere", tmp_path / "data")
    manifest = manifests.load(write_manifest([sample("a")]))
    assert manifest.file_of(manifest.samples[0]).read_bytes() == b"x"
