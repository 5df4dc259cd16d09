"""Manifests that nobody wrote on purpose: each is read, or refused in one sentence, by both programs.

`RELIABILITY_EXAMPLES` is the number of manifests for each kind of mutation.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import poisonkit.manifest
import trainer.manifest
from poisonkit.errors import ManifestError as Refused
from trainer.errors import ManifestError as RefusedByTrainer

EXAMPLES = int(os.environ.get("RELIABILITY_EXAMPLES", "500"))
SAMPLE = {
    "id": "train/Wave/1",
    "path": "train/Wave/1.avi",
    "split": "train",
    "label": 0,
    "true_label": 1,
    "poisoned": True,
    "num_frames": 40,
    "fps": 25.0,
    "width": 320,
    "height": 240,
    "frames": [[0, 40, 1]],
    "trigger": {"box": [0, 0, 8, 8]},
    "sha256": "0" * 64,
    "survival": {"video": {"gain": 0.9, "correlation": 0.9, "strength": 12.0}},
}
VALID: dict[str, Any] = {
    "schema": "poisonkit/manifest/1",
    "name": "fuzz",
    "created_with": {"poisonkit": "0"},
    "root": "../data",
    "source": {"layout": "folder", "split": "1", "fingerprint": "0"},
    "classes": ["Clap", "Wave"],
    "seed": 0,
    "rate": {"asked": 0.1, "achieved": 1.0, "of": "all", "poisoned": 1, "total": 1},
    "label_mode": "dirty",
    "target": {"label": 0, "name": "Clap"},
    "attacks": [],
    "sampling": "32x2",
    "encoding": {"quality": "high", "rung": "high", "video": {}, "audio": "copy", "carry": "copy"},
    "splits": {"train": 1},
    "skipped": [],
    "samples": [SAMPLE],
}
TEXTS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["..", "../../etc/passwd", "/etc/passwd", "a/../../b", "a\0b", "", ".", "~", "C:\\x", "<b>", "[/]", "\n"]
    ),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The way to every value in a document."""
    found = [at] if at else []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        found += places(item, (*at, key))
    return found


def changed(at: tuple[Any, ...], value: Any) -> dict[str, Any]:
    document = json.loads(json.dumps(VALID))
    inner: Any = document
    for key in at[:-1]:
        inner = inner[key]
    inner[at[-1]] = value
    return document


def check(text: bytes, folder: Path) -> None:
    """Both programs read it, and no clip lies outside of its root; or they refuse it in one line."""
    path = folder / "manifests" / "fuzz.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text)
    readers: list[tuple[Callable[[Path], Any], type[Exception]]] = [
        (poisonkit.manifest.load, Refused),
        (trainer.manifest.load, RefusedByTrainer),
    ]
    for load, refused in readers:
        try:
            manifest = load(path)
        except refused as error:
            said = str(error)
            one_sentence = "\n" not in said and "; " in said
            assert one_sentence, said
            continue
        for sample in manifest.samples:
            root = (path.parent / str(manifest.root)).resolve()
            assert (root / sample.path).resolve().is_relative_to(root)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def test_the_manifest_that_is_mutated_is_valid(folder: Path) -> None:
    check(json.dumps(VALID).encode(), folder)
    assert poisonkit.manifest.load(folder / "manifests" / "fuzz.json").name == "fuzz"
    assert trainer.manifest.load(folder / "manifests" / "fuzz.json").name == "fuzz"


fuzzed = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)


@fuzzed
@given(at=st.sampled_from(places(VALID)), value=VALUES)
def test_values_of_any_kind_anywhere(folder: Path, at: tuple[Any, ...], value: Any) -> None:
    check(json.dumps(changed(at, value)).encode(errors="surrogatepass"), folder)


@fuzzed
@given(samples=st.lists(st.fixed_dictionaries({"id": TEXTS, "path": TEXTS, "label": st.integers(-1, 3)}), max_size=4))
def test_lists_of_samples(folder: Path, samples: list[dict[str, Any]]) -> None:
    made = changed(("samples",), [{**SAMPLE, **sample} for sample in samples])
    made["splits"] = {"train": len(samples)} if samples else {}
    check(json.dumps(made).encode(errors="surrogatepass"), folder)


@fuzzed
@given(where=st.integers(0, 10_000), bytes_=st.binary(max_size=6), cut=st.integers(0, 40))
def test_bytes_changed_anywhere(folder: Path, where: int, bytes_: bytes, cut: int) -> None:
    text = json.dumps(VALID).encode()
    where %= len(text)
    check(text[:where] + bytes_ + text[where + cut :], folder)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b'{"schema": "poisonkit/manifest/1", "name": ' + b'{"a":' * 100_000,
        b'{"schema": "poisonkit/manifest/1", "name": "' + b"x" * 20_000_000,
        json.dumps(changed(("samples", 0, "fps"), float("nan"))).encode(),
        json.dumps(changed(("samples", 0, "fps"), float("inf"))).encode(),
        json.dumps(changed(("samples", 0, "num_frames"), 10**399)).encode(),
        json.dumps(changed(("samples",), [SAMPLE, SAMPLE])).encode(),
    ],
    ids=["deep lists", "deep objects", "a long name", "not a number", "infinity", "a long number", "an id twice"],
)
def test_documents_that_are_meant_to_hurt(folder: Path, text: bytes) -> None:
    path = folder / "manifests" / "fuzz.json"
    check(text, folder)
    for load, refused in ((poisonkit.manifest.load, Refused), (trainer.manifest.load, RefusedByTrainer)):
        with pytest.raises(refused) as caught:
            load(path)
        assert len(str(caught.value)) < 2_000
