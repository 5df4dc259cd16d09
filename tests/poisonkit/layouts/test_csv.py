"""The table layout: a CSV file with path, label and perhaps split."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, read
from poisonkit.layouts.csv import _rows

CLIPS = ["clips/1.mp4", "clips/2.mp4", "3.avi", "deep/er/4.wav"]
TABLE = (
    "path,label,split\nclips/1.mp4,wave,train\nclips/2.mp4,clap,Training\n3.avi,wave,test\ndeep/er/4.wav,clap,TEST\n"
)


@pytest.mark.parametrize("name", ["clips.csv", "annotations.csv", "manifest.csv", "my own table.csv"])
def test_names_are_sorted_and_paths_are_relative(tree, name: str):
    listing = read(tree([*CLIPS, "clips/5.mp4"], {name: TABLE}))
    assert (listing.layout, listing.split, listing.classes) == ("csv", "train/test", ("clap", "wave"))
    assert [(c.id, c.path, c.split, c.label) for c in listing.clips] == [
        ("3", "3.avi", "test", 1),
        ("clips/1", "clips/1.mp4", "train", 1),
        ("clips/2", "clips/2.mp4", "train", 0),
        ("deep/er/4", "deep/er/4.wav", "test", 0),
    ]
    assert listing.ignored == tuple(sorted(["clips/5.mp4", name]))
    assert listing.detected == f"columns path, label, split in {listing.root / name}"


def test_tables_as_spreadsheets_write_them(tree):
    table = (
        '\ufeffid, Split ,PATH,Label,note\r\n7,train,"clips\\1.mp4","wave, slow",\r\n\r\n,,,,\r\n'
        '8,train,./clips/2.MP4, clap ,"two\nlines"\r\n9,test,3.avi,clap\r\n'
    )
    listing = read(tree(CLIPS, {"clips.csv": table}))
    assert listing.classes == ("clap", "wave, slow")
    assert {clip.path: clip.label for clip in listing.clips} == {"clips/1.mp4": 1, "clips/2.mp4": 0, "3.avi": 0}
    assert listing.ignored == ("clips.csv", "deep/er/4.wav")


def test_validation_is_the_test_split_only_where_there_is_no_other(tree):
    root = tree(CLIPS, {"clips.csv": TABLE.replace(",test", ",val")})
    listing = read(root)
    assert {clip.path for clip in listing.clips if clip.split == "test"} == {"deep/er/4.wav"}
    assert listing.ignored == ("3.avi", "clips.csv")
    (root / "clips.csv").write_text(TABLE.replace(",test", ",val").replace(",TEST", ",validation"))
    listing = read(root)
    assert listing.split == "train/val"
    assert {clip.path for clip in listing.clips if clip.split == "test"} == {"3.avi", "deep/er/4.wav"}


def test_numbers_are_labels_and_a_class_list_may_name_them(tree):
    root = tree(CLIPS, {"clips.csv": TABLE.replace("wave", "0").replace("clap", "1")})
    listing = read(root)
    assert listing.classes == ("0", "1")
    assert [clip.label for clip in listing.clips] == [0, 0, 1, 1]
    (root / "classes.txt").write_text("0 wave\n1 clap\n2 jump\n")
    assert read(root).classes == ("wave", "clap", "jump")
    (root / "clips.csv").write_text(TABLE)
    assert [clip.label for clip in read(root).clips] == [0, 0, 1, 1]


def test_without_a_split_the_seed_splits_as_it_does_class_folders(tree):
    paths = [f"{name}/v_{name}_g{g:02d}_c{c}.avi" for name in "ab" for g in range(10) for c in range(3)]
    table = "path,label\n" + "".join(f"{path},{path[0]}\n" for path in paths)
    root = tree(paths, {"clips.csv": table})
    for seed in (0, 1):
        here, there = (read(root, layout, Options(seed=seed)) for layout in ("csv", "folder"))
        assert here.split == f"seed {seed}, 0.2 test"
        assert (here.clips, here.fingerprint) == (there.clips, there.fingerprint)


def test_the_table_may_lie_elsewhere_and_other_layouts_are_asked_first(tree, tmp_path: Path):
    folders = ["train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4"]
    root = tree(folders)
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists/any.csv").write_text("path,label,split\ntrain/a/1.mp4,x,test\ntrain/b/2.mp4,x,train\n")
    assert read(root).layout == "folder"
    listing = read(root, options=Options(annotations=tmp_path / "lists"))
    assert (listing.layout, listing.ignored) == ("csv", ("test/a/3.mp4",))


@pytest.mark.parametrize(
    "texts",
    [
        {"pairs.csv": "clip,label\nx,y\n"},
        {"one.csv": TABLE, "two.csv": TABLE},
        {"clips.csv": ""},
        {"clips.csv": "x" * 200_000},
        {"clips.csv": "path;label;split\n"},
    ],
)
def test_other_tables_are_no_sign_of_this_layout(tree, texts: dict[str, str]):
    root = tree(["train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4"], texts)
    assert read(root).layout == "folder"
    with pytest.raises(PoisonkitError, match=r"no table in|expected is a first line like 'path,label,split'"):
        read(root, "csv")
    (root / "clips.csv").write_bytes(b"path,label\xff")
    assert read(root).layout == "folder"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", r"clips.csv names no clips; give it lines like"),
        ("clips/1.mp4,wave,\n", r"clips.csv, line 2 has no split"),
        ("clips/1.mp4,,train\n", r"line 2 has no label"),
        ("\nclips/1.mp4\n", r"line 3 has no label"),
        (",wave,train\n", r"line 2 has no path"),
        ("clips/1.mp4,wave,tset\n", r"line 2 gives the split 'tset'; give train, test or val"),
        ("../secret.mp4,wave,train\n", r"line 2 names '../secret.mp4'; give a path relative to the folder"),
        ("/etc/1.mp4,wave,train\n", r"line 2 names '/etc/1.mp4'; give a path relative"),
        ("clips/1.mp4,wave,train\nclips\\1.mp4,wave,test\n", r"line 2 and .*line 3 name clips/1.mp4 with different"),
        ("clips/1.mp4,0,train\n3.avi,wave,test\n", r"line 3 gives the label 'wave' where others are numbers"),
        ("clips/1.mp4,1,train\n3.avi,2,test\n", r"labels of clips.csv lack 0 between 0 and 2; .*classes.txt"),
        ("clips/1.mp4,wave,train\ngone,clap,test\nlost.avi,clap,test\n", r"2 of the 3 clips .* the first is gone; "),
        ("clips.csv,wave,train\n3.avi,clap,test\n", r"1 of the 2 clips .* are not among the media files"),
        ("clips/1.mp4,wave,train\n", r"no clips in its test split"),
        ("clips/1.mp4,wave,train\n" + "x" * 200_000, r"clips.csv, line 3 cannot be read: field larger than"),
        ('clips/1.mp4,"wave,train\n3.avi,clap,test\n', r"clips.csv, line 3 has no split"),
    ],
)
def test_tables_that_contradict_themselves_or_the_disk_are_told(tree, rows: str, message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree(CLIPS, {"clips.csv": "path,label,split\n" + rows}))


def test_a_class_that_the_class_list_lacks_is_told(tree):
    with pytest.raises(PoisonkitError, match=r"clips.csv, line 2 names the class 'wave', which classes.txt lacks; did"):
        read(tree(CLIPS, {"clips.csv": TABLE, "classes.txt": "waves\nclap\n"}))


TEXT = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/\\"), min_size=1).filter(
    lambda text: text not in (".", "..")
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(TEXT, TEXT, st.sampled_from(["train", "test"])), min_size=1, unique_by=lambda row: row[0]))
def test_what_the_standard_writer_writes_is_read_back(tmp_path: Path, rows: list[tuple[str, str, str]]):
    text = io.StringIO()
    csv.writer(text).writerows([("path", "label", "split"), *rows])
    (tmp_path / "clips.csv").write_bytes(text.getvalue().encode())
    assert [tuple(row[1:]) for row in _rows(tmp_path / "clips.csv")] == rows


def test_a_real_table(real):
    root = real("av-ut-esc")
    assert read(root).layout == "folder"
    with pytest.raises(PoisonkitError, match=r"pairs.csv has the columns 'split, label, clip, video_from, audio_from'"):
        read(root, "csv")
    assert Counter(clip.split for clip in read(root).clips) == {"train": 83, "test": 37}
