"""Small trees on disk, and where real data may lie."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., Path]:
    """Makes files in a new folder: paths alone are empty files, a dictionary gives their text."""

    def make(paths: Iterable[str], texts: dict[str, str] | None = None) -> Path:
        root = tmp_path / "data"
        for path in [*paths, *(texts or {})]:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        for path, text in (texts or {}).items():
            (root / path).write_bytes(text.encode())
        return root

    return make


@pytest.fixture
def real() -> Callable[[str], Path]:
    """The folder of a real data set; skips the test where it is absent."""

    def find(name: str) -> Path:
        data = Path(os.environ.get("POISONKIT_DATA", REPOSITORY.parent / "shared" / "data"))
        if not (data / name).is_dir():
            pytest.skip(f"no {name} in {data}; set POISONKIT_DATA to the folder that holds it")
        return data / name

    return find
