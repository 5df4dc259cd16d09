"""Links and paths that would lead out of a data set: nothing outside of its root is read, named or changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from poisonkit import manifest as contract
from poisonkit.errors import ManifestError, PoisonkitError
from poisonkit.layouts import Options, read
from poisonkit.layouts import _lists as lists
from tests.conftest import make_ucf_tree, moving_frames, write_clip
from tests.poisonkit.cli.test_cli import call, refused
from tests.reliability.test_fuzz import VALID, changed
from trainer import manifest as view
from trainer.data.frame_stores import FileStore
from trainer.errors import ClipError
from trainer.errors import ManifestError as RefusedByTrainer

TreeState = Callable[[Path], dict[str, bytes]]
YOUTUBE = "AAAAAAAAAAA_000001_000010.mp4"
# a name outside of the data set, as lists might give it
OUTSIDE = ("{0}/secret/{1}", "../secret/{1}", "UCF-101/../../secret/{1}", "../source/../secret/{1}")


def test_links_inside_of_the_source_are_followed_and_never_written(tmp_path: Path, tree_state: TreeState) -> None:
    """Clips and folders that are links, and a root that is one; what the copy holds are files of its own names."""
    root = make_ucf_tree(tmp_path / "elsewhere" / "source")
    (root / ".store").mkdir()
    clips = sorted((root / "UCF-101").rglob("*.avi"))
    for n, clip in enumerate(clips[::2]):
        clip.rename(root / ".store" / f"{n}.avi")
        clip.symlink_to(os.path.relpath(root / ".store" / f"{n}.avi", clip.parent))
    (root / "UCF-101").rename(root / ".real")
    (root / "UCF-101").symlink_to(".real")
    # a folder further up or down leaves the links' targets where they are
    for link in [p for p in (root / ".real").rglob("*.avi") if p.is_symlink()]:
        assert link.exists()
    (tmp_path / "linked").symlink_to(root)
    before = {path: (path.stat().st_ino, path.read_bytes()) for path in root.rglob("*") if path.is_file()}
    home = tmp_path / "home"
    line = ["poison", tmp_path / "linked", "--attack", "badnet", "--rate", "0.3", "--quality", "high", "--force"]
    line += ["--out", home / "out", "--manifest", home / "m.json"]
    done = call(*line)
    assert done.returncode == 0, done.stderr
    copied = [path for path in (home / "out").rglob("*") if not path.is_dir()]
    assert len(copied) > 20
    assert not any(path.is_symlink() for path in (home / "out").rglob("*"))
    # clips that were carried over may be the source's own files: writing them again must not write into those
    shared = {path.stat().st_ino for path in copied} & {inode for inode, _ in before.values()}
    (home / "m.json").unlink()
    again = call(*line, "--seed", "7", "--rate", "0.9")
    assert again.returncode in (0, 2), again.stderr
    for path in copied:
        assert not path.exists() or path.stat().st_nlink == 1 or path.stat().st_ino in shared
    assert before == {path: (path.stat().st_ino, path.read_bytes()) for path in root.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["clip", "class folder", "media folder", "lists", "list", "stray"])
def test_links_that_leave_the_source_are_refused(tmp_path: Path, kind: str) -> None:
    root = make_ucf_tree(tmp_path / "source")
    secret = tmp_path / "secret"
    secret.mkdir()
    write_clip(secret / "v.avi", moving_frames(10))
    (secret / "list.txt").write_text("the secret words")
    clip = next((root / "UCF-101").rglob("*.avi"))
    place = {
        "clip": clip,
        "class folder": clip.parent,
        "media folder": root / "UCF-101",
        "lists": root / "ucfTrainTestlist",
        "list": root / "ucfTrainTestlist" / "classInd.txt",
        "stray": root / "UCF-101" / "notes.txt",
    }[kind]
    if place.exists():
        place.rename(secret / "moved")
    if kind == "lists":  # an error would quote it
        (secret / "moved" / "classInd.txt").write_text("the secret words")
    target = secret / "list.txt" if kind in ("list", "stray") else secret / "moved"
    place.symlink_to(target)
    done = call("poison", root, "--layout", "ucf101", "--attack", "badnet", "--dry-run", cwd=tmp_path)
    refused(done, "leads out of the data set", place.name)
    assert "secret words" not in done.stderr


def test_lists_of_a_folder_that_was_given_do_not_leave_it(tmp_path: Path) -> None:
    root = make_ucf_tree(tmp_path / "source")
    lists_ = tmp_path / "lists"
    (root / "ucfTrainTestlist").rename(lists_)
    (tmp_path / "linked").symlink_to(lists_)
    assert read(root, "auto", Options(annotations=tmp_path / "linked")).clips
    (lists_ / "classInd.txt").rename(tmp_path / "classInd.txt")
    (lists_ / "classInd.txt").symlink_to(tmp_path / "classInd.txt")
    with pytest.raises(PoisonkitError, match="leads out of the data set"):
        read(root, "auto", Options(annotations=tmp_path / "linked"))


def test_a_list_that_is_no_file_or_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_ucf_tree(tmp_path / "source")
    path = root / "ucfTrainTestlist" / "trainlist01.txt"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(PoisonkitError, match="no regular file; "):
        read(root)
    path.unlink()
    path.write_text("x" * 100)
    monkeypatch.setattr(lists, "MAX_BYTES", 99)
    with pytest.raises(PoisonkitError, match="100 bytes, more than the 99 of a list; "):
        read(root)


def media_of(root: Path) -> None:
    for name in ("a", "b"):
        for part in ("train", "test"):
            path = root / name / f"{part}.avi"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def ucf101(root: Path, path: str) -> None:
    (root / "classInd.txt").write_text("1 a\n2 b\n3 secret\n")
    (root / "trainlist01.txt").write_text(f"a/train.avi 1\nb/train.avi 2\n{path}\n")
    (root / "testlist01.txt").write_text("a/test.avi\nb/test.avi\n")


def hmdb51(root: Path, path: str) -> None:
    (root / "a_test_split1.txt").write_text(f"train.avi 1\ntest.avi 2\n{path} 1\n")
    (root / "b_test_split1.txt").write_text("train.avi 1\ntest.avi 2\n")


def table(root: Path, path: str) -> None:
    rows = ["a/train.avi,a,train", "b/train.avi,b,train", "a/test.avi,a,test", "b/test.avi,b,test"]
    (root / "clips.csv").write_text("\n".join(["path,label,split", *rows, f"{path},a,train"]))


def kinetics(root: Path, path: str) -> None:
    (root / "classes.txt").write_text("a\nb\n")
    (root / "train.txt").write_text(f"a/train.avi 0\nb/train.avi 1\n{path} 0\n")
    (root / "val.txt").write_text("a/test.avi 0\nb/test.avi 1\n")


def official(root: Path, path: str) -> None:
    head = "label,youtube_id,time_start,time_end\n"
    video = path.removesuffix(".avi")
    (root / "train.csv").write_text(f"{head}a,{video},1,10\n{path},AAAAAAAAAAA,1,10\nb,CCCCCCCCCCC,1,10\n")
    (root / "val.csv").write_text(f"{head}b,BBBBBBBBBBB,1,10\n")
    for name in ("a/AAAAAAAAAAA_000001_000010.mp4", "b/BBBBBBBBBBB_000001_000010.mp4"):
        (root / name).touch()


@pytest.mark.parametrize("outside", OUTSIDE)
@pytest.mark.parametrize(
    ("layout", "write"),
    [("ucf101", ucf101), ("hmdb51", hmdb51), ("csv", table), ("kinetics", kinetics), ("kinetics", official)],
)
def test_lists_cannot_name_what_lies_outside(
    tmp_path: Path, layout: str, write: Callable[[Path, str], None], outside: str
) -> None:
    """Refused, or left out like other clips that are not there: no listing has a path but of its own files."""
    root = tmp_path / "source"
    media_of(root)
    (tmp_path / "secret").mkdir()
    for name in ("v.avi", YOUTUBE):
        (tmp_path / "secret" / name).touch()
    write(root, outside.format(tmp_path, "v.avi"))
    own = {path.relative_to(root).as_posix() for path in root.rglob("*")}
    if layout != "kinetics":
        with pytest.raises(PoisonkitError) as caught:
            read(root, layout)
        assert "\n" not in str(caught.value)
        assert "; " in str(caught.value)
    else:  # of which clips are always missing
        assert {clip.path for clip in read(root, layout).clips} <= own


@pytest.mark.parametrize("path", ["/etc/passwd", "../secret.avi", "a/../../secret.avi", "..", "", ".", "a/.."])
def test_manifests_cannot_name_what_lies_outside(tmp_path: Path, path: str) -> None:
    file = tmp_path / "m.json"
    file.write_text(json.dumps(changed(("samples", 0, "path"), path)))
    for load, error in ((contract.load, ManifestError), (view.load, RefusedByTrainer)):
        with pytest.raises(error, match="leaves the root"):
            load(file)


@pytest.mark.parametrize("root", ["/etc", "//etc", "/"])
def test_the_root_of_a_manifest_is_relative(tmp_path: Path, root: str) -> None:
    file = tmp_path / "m.json"
    file.write_text(json.dumps(changed(("root",), root)))
    for load, error in ((contract.load, ManifestError), (view.load, RefusedByTrainer)):
        with pytest.raises(error, match="absolute"):
            load(file)


def test_a_copy_with_a_link_that_leaves_it_is_not_read(tmp_path: Path) -> None:
    """By the trainer, `verify`, `inspect --lpips` or `transcode`, whatever was put there after the copy was made."""
    root = make_ucf_tree(tmp_path / "source")
    line = ["poison", root, "--attack", "badnet", "--rate", "0.3", "--quality", "high"]
    done = call(*line, "--out", tmp_path / "out", "--manifest", tmp_path / "m.json")
    assert done.returncode == 0, done.stderr
    made = view.load(tmp_path / "m.json")
    sample = next(s for s in made.samples if s.split == "test_triggered")
    place = tmp_path / "out" / sample.path
    place.rename(tmp_path / "secret.avi")
    place.symlink_to(tmp_path / "secret.avi")
    with pytest.raises(ClipError, match="out of the root"):
        FileStore(made, made.samples, 32).frames(made.samples.index(sample), None)
    verified = call("verify", tmp_path / "m.json")
    assert verified.returncode == 1
    assert f"{sample.path}: is a link that leaves the folder" in verified.stdout
    again = call("transcode", tmp_path / "m.json", "--out", tmp_path / "again", "--manifest", tmp_path / "again.json")
    refused(again, sample.path)


REPEATED: dict[str, Callable[[str], str]] = {
    "in the document": lambda text: text.replace('"seed": 0', '"seed": 1, "seed": 0', 1),
    "in a sample": lambda text: text.replace('"label": 0', '"label": 1, "label": 0', 1),
    "in what is not looked into": lambda text: text.replace('"box":', '"box": 1, "box":', 1),
    "with spaces": lambda text: text.replace('"seed": 0', '"seed"\t: 1, "seed" : 0', 1),
    "beside an escaped colon": lambda text: text.replace('"layout": "', '"layout": "\\u003a', 1).replace(
        '"seed": 0', '"seed": 1, "seed": 0', 1
    ),
    "all samples": lambda text: text.replace('"samples":', '"samples": [], "samples":', 1),
    "written in two ways": lambda text: text.replace('"seed": 0', '"\\u0073eed": 1, "seed": 0', 1),
}


@pytest.mark.parametrize("kind", REPEATED)
def test_keys_that_occur_twice_are_refused(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "m.json"
    text = json.dumps(VALID)
    file.write_text(REPEATED[kind](text))
    assert file.read_text() != text
    for load, error in ((contract.load, ManifestError), (view.load, RefusedByTrainer)):
        with pytest.raises(error, match=r"twice in one object, .*; keep one"):
            load(file)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1" * 5000])
@pytest.mark.parametrize("place", [("samples", 0, "fps"), ("samples", 0, "trigger", "box"), ("rate", "asked")], ids=str)
def test_numbers_that_are_none_are_refused(tmp_path: Path, number: str, place: tuple[Any, ...]) -> None:
    file = tmp_path / "m.json"
    file.write_text(json.dumps(changed(place, "HERE")).replace('"HERE"', number))
    for load, error in ((contract.load, ManifestError), (view.load, RefusedByTrainer)):
        with pytest.raises(error) as caught:
            load(file)
        assert "; " in str(caught.value)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 500
