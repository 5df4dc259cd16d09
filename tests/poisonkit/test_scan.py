"""Written files are found wherever they were moved, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.plan import Request
from poisonkit.scan import scan
from tests.conftest import make_ucf_tree, moving_frames, write_clip
from tests.poisonkit.test_run import poison


def test_every_written_file_is_found_and_no_other(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(ucf_tree, tmp_path / "out", Request(("badnet",), rate=0.3), carry="copy")
    written = {tmp_path / "out" / s.path for s in made.samples if s.sha256}
    result = scan(tmp_path / "out")
    assert {f.path for f in result.found} == written | {tmp_path / "out" / "POISONED.txt"}
    assert all("badnet static, seed 0" in f.tag for f in result.found if f.path in written)
    assert result.files == len(made.samples)
    assert scan(ucf_tree).found == []


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".webm"])
def test_the_tag_is_found_in_every_container_and_after_a_move(tmp_path: Path, suffix: str) -> None:
    root = make_ucf_tree(tmp_path / "source", suffix=".mp4" if suffix == ".webm" else suffix)
    if suffix == ".webm":
        for clip in root.rglob("*.mp4"):
            write_clip(clip.with_suffix(".webm"), moving_frames(20), codec="libvpx")
            clip.unlink()
    made = poison(root, tmp_path / "out", Request(("badnet",), rate=0.3))
    one = next(s for s in made.samples if s.split == "test_triggered")
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(tmp_path / "out" / one.path, tmp_path / "elsewhere" / f"innocent{suffix}")
    assert [f.path.name for f in scan(tmp_path / "elsewhere").found] == [f"innocent{suffix}"]


def test_broken_files_are_listed_and_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "broken.avi").write_bytes(b"RIFF")
    (tmp_path / "notes.txt").write_text("no media")
    result = scan(tmp_path)
    assert (result.files, [p.name for p in result.unreadable], result.found) == (1, ["broken.avi"], [])
    with pytest.raises(PoisonkitError, match="there is no folder"):
        scan(tmp_path / "none")
