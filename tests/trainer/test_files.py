"""Files are written whole: a reader sees the old one or the new one, and nothing is left beside it."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from trainer import files


class Point(msgspec.Struct):
    x: float
    name: str


def test_json_is_indented_and_ends_in_a_line(tmp_path: Path) -> None:
    files.write_json(tmp_path / "point.json", Point(0.5, "é"))
    assert (tmp_path / "point.json").read_text() == '{\n  "x": 0.5,\n  "name": "é"\n}\n'


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write(path, b"old")

    def full(self: Path, content: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_file_is_replaced_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    for content in (b"old", b"new"):
        files.write(tmp_path / "a.txt", content)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.txt", b"new")]
