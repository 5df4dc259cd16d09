"""Written files are found wherever they were moved, and no others."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from poisonkit import layouts
from poisonkit.audit.scan import scan
from poisonkit.clip.rewrite import write
from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Attack, Placement
from poisonkit.media.tag import tag_of
from poisonkit.media.video import decode
from poisonkit.plan import plan as planning
from poisonkit.plan.job import Context
from poisonkit.plan.request import Request
from poisonkit.triggers import find
from tests.conftest import make_ucf_tree, moving_frames, write_clip
from tests.poisonkit.runs import poison


def test_every_written_file_is_found_and_no_other(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(ucf_tree, tmp_path / "out", Request(("badnet",), rate=0.3), carry="copy")
    written = {tmp_path / "out" / s.path for s in made.samples if s.sha256}
    assert len(made.plan or "") == 16
    result = scan(tmp_path / "out")
    assert {f.path for f in result.found} == written | {tmp_path / "out" / "POISONED.txt"}
    assert all(f.tag.endswith(f"badnet static, seed 0, plan {made.plan}") for f in result.found if f.path in written)
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


def test_the_tag_changes_no_pixel_and_no_sample(tmp_path: Path) -> None:
    source = make_ucf_tree(tmp_path / "source", suffix=".mp4")
    job = planning.poison(layouts.read(source), Request(("badnet",))).written()[0]
    attack = Attack("badnet", "video", "static", find("badnet").build("static", {}).params(), Placement("all", "32x2"))
    files = []
    for plan in (None, "0123456789abcdef"):
        context = Context(source, tmp_path, 0, (attack,), {"video": "high"}, plan=plan)
        files.append(tmp_path / f"{plan}.mp4")
        write(job, context, files[-1])
    one, other = (tag_of(path) for path in files)
    assert one is not None
    assert other == f"{one}, plan 0123456789abcdef"
    assert np.array_equal(*(np.stack([frame.to_ndarray() for frame in decode(path)]) for path in files))
