"""Manifests that are as they should be, and some that are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY

EXAMPLES = sorted((REPOSITORY / "manifests" / "examples").glob("*.json"))


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((REPOSITORY / "manifests" / "examples" / "badnet.json").read_text())
    return found


def saved(tmp_path: Path, value: Any) -> Path:
    path = tmp_path / "m.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def change(path: str, value: Any) -> dict[str, Any]:
    made: Any = example()
    *parents, last = path.split(".")
    place = made
    for name in parents:
        place = place[int(name) if name.isdigit() else name]
    place[last] = value
    return dict(made)
