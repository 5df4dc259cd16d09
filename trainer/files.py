"""Writing files whole or not at all."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Any

import msgspec


def write(path: Path, content: bytes) -> None:
    """Write a file atomically; of several writers at once the last one wins."""
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    partial.write_bytes(content)
    os.replace(partial, path)


def write_json(path: Path, content: Any) -> None:
    """Write a struct as indented JSON, atomically."""
    write(path, msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
