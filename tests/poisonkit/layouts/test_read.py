"""What all layouts share: detection, ids, links, strays, fingerprints and messages."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.errors import PoisonkitError
from poisonkit.layouts import LAYOUTS, Options, read
from poisonkit.layouts._base import clip_ids

PAIR = ["train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4", "test/b/4.mp4"]


def test_every_layout_is_found_and_the_general_one_is_asked_last():
    modules = {path.stem for path in Path(layouts.__file__).parent.glob("[!_]*.py")}
    assert modules <= {type(layout).__module__.rpartition(".")[2] for layout in LAYOUTS.values()}
    assert list(LAYOUTS)[-1] == "folder"
    assert all(layout.name == name and layout.expects for name, layout in LAYOUTS.items())


@pytest.mark.parametrize(
    ("paths", "ids"),
    [
        (["a/x.avi", "a/y.MP4"], ["a/x", "a/y"]),
        (["a/x.avi", "a/x.mp4", "b/x.avi"], ["a/x.avi", "a/x.mp4", "b/x"]),
        (["a/x.avi", "a/x.AVI"], ["a/x.AVI", "a/x.avi"]),
        (["a.b/x.c.mkv"], ["a.b/x.c"]),
        # x.avi keeps its suffix, so the id of x.avi.mp4 must not be x.avi as well
        (["x.avi", "x.mp4", "x.avi.mp4"], ["x.avi", "x.avi.mp4", "x.mp4"]),
    ],
)
def test_ids_lose_the_suffix_unless_two_would_be_equal(paths: list[str], ids: list[str]):
    assert sorted(clip_ids(paths).values()) == ids


def test_strays_are_named_and_names_of_any_kind_are_kept(tree):
    root = tree([*PAIR, "train/a/Küsse & Grüße 日本.AVI", "train/a/Thumbs.db", "train/a/.hidden.mp4", "x.txt"])
    listing = read(root)
    assert listing.ignored == ("train/a/.hidden.mp4", "train/a/Thumbs.db", "x.txt")
    assert "train/a/Küsse & Grüße 日本" in {clip.id for clip in listing.clips}


@pytest.mark.parametrize("name", ["back\\slash.mp4", "latin-\udcfc.mp4"])
def test_names_that_a_manifest_cannot_hold_are_refused(tree, name: str):
    with pytest.raises(PoisonkitError, match=r"rename it"):
        read(tree([*PAIR, f"train/a/{name}"]))


def test_links_may_stay_inside_but_not_lead_out_or_round(tree, tmp_path: Path):
    root = tree(PAIR)
    (root / "train/a/again.mp4").symlink_to(root / "train/a/1.mp4")
    assert len(read(root).clips) == 5
    (tmp_path / "secret.mp4").touch()
    link = root / "train/a/out.mp4"
    for target, message in [
        (tmp_path / "secret.mp4", "leads out of the data set"),
        (tmp_path, "leads out of the data set"),
        (root / "train", "folder that it lies in"),
        (root / "nothing.mp4", "leads nowhere"),
    ]:
        link.symlink_to(target)
        with pytest.raises(PoisonkitError, match=message):
            read(root)
        link.unlink()


def test_the_root_itself_may_be_a_link(tree, tmp_path: Path):
    (tmp_path / "link").symlink_to(tree(PAIR))
    assert len(read(tmp_path / "link").clips) == 4


def test_the_fingerprint_is_of_names_labels_splits_and_sizes(tree, tmp_path: Path):
    root = tree(PAIR)
    first = read(root).fingerprint
    assert re.fullmatch("[0-9a-f]{64}", first)
    shutil.copytree(root, tmp_path / "copy")
    assert read(tmp_path / "copy").fingerprint == first, "where the data set lies and when it was made do not matter"
    (root / "train/a/1.mp4").write_bytes(b"x")
    longer = read(root).fingerprint
    (root / "train/a/1.mp4").rename(root / "test/a/1.mp4")
    (root / "test/a/3.mp4").rename(root / "train/a/3.mp4")
    moved = read(root).fingerprint
    assert len({first, longer, moved}) == 3


def test_clips_are_sorted_by_id_and_the_reason_is_told(tree):
    listing = read(tree(PAIR))
    assert [clip.id for clip in listing.clips] == ["test/a/3", "test/b/4", "train/a/1", "train/b/2"]
    assert listing.detected == "class folders in train/ and test/"
    assert read(listing.root, "folder").detected


def test_messages_name_the_fault_and_the_remedy(tree, tmp_path: Path):
    root = tree(PAIR)
    (tmp_path / "empty").mkdir()
    (tmp_path / "odd/inside").mkdir(parents=True)
    (tmp_path / "odd/notes.txt").touch()
    for folder, layout, options, message in [
        (tmp_path / "nowhere", "auto", Options(), r"no folder .*nowhere; give"),
        (root / "train/a/1.mp4", "auto", Options(), "is a file; give the folder"),
        (tmp_path / "empty", "auto", Options(), "is empty"),
        (root, "foldr", Options(), r"unknown layout 'foldr'; did you mean 'folder'\?"),
        (
            tmp_path / "odd",
            "auto",
            Options(),
            r"1 folders and 1 files \(inside/, notes.txt\); expected is .*ucf",
        ),
        (root, "auto", Options(annotations=tmp_path / "lists"), r"no folder .*lists; give .*annotations"),
    ]:
        with pytest.raises(PoisonkitError, match=message):
            read(folder, layout, options)
    with pytest.raises(PoisonkitError, match=r"test fraction 1.* between 0 and 1"):
        Options(test_fraction=1)
