from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from poisonkit import manifest as contract
from poisonkit.errors import ManifestError
from poisonkit.manifest import Manifest, Sample
from tests.conftest import REPOSITORY
from tests.poisonkit.manifest.examples import EXAMPLES, change, example, saved


def test_the_exported_schema_is_in_step() -> None:
    text = (REPOSITORY / "manifests" / "schema.json").read_text()
    assert json.loads(text) == contract.json_schema(), "run `make schema`"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_examples_are_valid_by_schema_and_by_code(path: Path) -> None:
    jsonschema.validate(json.loads(path.read_text()), contract.json_schema())
    assert contract.load(path).samples


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.name)
def test_round_trip_gives_the_same_bytes(path: Path, tmp_path: Path) -> None:
    contract.save(contract.load(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_every_field_is_explained() -> None:
    text = (REPOSITORY / "manifests" / "README.md").read_text()
    names = {f.name for kind in (Manifest, Sample) for f in msgspec.structs.fields(kind)}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "not a manifest"),
        ("{", "not a manifest"),
        ("[" * 100_000, "not a manifest"),
        ('{"schema": "poisonkit/manifest/2"}', "manifest/2"),
        ("{}", "is not a manifest: it has no schema"),
        (change("samples.0.path", "../other/clip.avi"), "leaves the root"),
        (change("samples.0.path", "/etc/passwd"), "leaves the root"),
        (change("samples.0.path", ""), "leaves the root"),
        (change("samples.0.label", 99), "label 99"),
        (change("samples.0.id", example()["samples"][1]["id"]), "occurs twice"),
        (change("samples.0.num_frames", "many"), "num_frames"),
        (change("samples.0.frames", [[0, 10_000, 1]]), "do not lie in"),
        (change("samples.0.split", "training"), "split"),
        (change("target.label", 2), "not one of the"),
        (change("root", "/srv/data"), "absolute"),
        (change("splits.train", 1), "splits says"),
        (json.dumps(example()).replace('"seed": 0', '"seed": NaN'), "not a"),
    ],
)
def test_broken_manifests_are_refused_in_one_sentence(tmp_path: Path, value: Any, message: str) -> None:
    path = saved(tmp_path, value)
    with pytest.raises(ManifestError, match=message) as caught:
        contract.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unknown_fields_and_minor_versions_are_ignored(tmp_path: Path) -> None:
    made = change("samples.0.surprise", {"x": 1})
    made |= {"schema": "poisonkit/manifest/1.3", "licence": "MIT"}
    assert len(contract.load(saved(tmp_path, made)).samples) == len(example()["samples"])
