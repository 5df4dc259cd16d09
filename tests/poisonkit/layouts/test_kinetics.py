"""The Kinetics layout: official lists, lists of other trainers, and Kinetics-Sounds."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, class_names, read
from poisonkit.text import as_options

IDS = ["-3Mwkq-7TV4", "abcdefghij_", "__12345678Z", "0123456789A", "Zyxwvutsrq-"]
HEAD = "label,youtube_id,time_start,time_end,split,is_cc\n"
OFFICIAL = {
    "train.csv": f"{HEAD}playing guitar,{IDS[0]},2,12,train,0\r\nbowling,{IDS[1]},100,110,train,1\n"
    f'"playing guitar",{IDS[2]},7,17,train,0\nbowling,{IDS[4]},0,10,train,0\n',
    "val.csv": f"{HEAD}bowling,{IDS[3]},0,10,val,0\n",
}
FILES = [
    f"train/playing guitar/{IDS[0]}_000002_000012.mp4",
    f"train/bowling/{IDS[1]}_000100_000110.mp4",
    f"train/playing guitar/{IDS[2]}_000007_000017.mkv",
    f"val/bowling/{IDS[3]}_000000_000010.mp4",
]


def place(lists: dict[str, str], folder: str = "annotations") -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in lists.items()}


def test_official_lists_and_a_clip_that_vanished(tree):
    listing = read(tree([*FILES, "test/unlabelled.mp4", "train/bowling/Thumbs.db"], place(OFFICIAL)))
    assert (listing.layout, listing.split, listing.classes) == ("kinetics", "train/val", ("bowling", "playing guitar"))
    assert [(c.id, c.split, c.label) for c in listing.clips] == [
        (f"train/bowling/{IDS[1]}_000100_000110", "train", 0),
        (f"train/playing guitar/{IDS[0]}_000002_000012", "train", 1),
        (f"train/playing guitar/{IDS[2]}_000007_000017", "train", 1),
        (f"val/bowling/{IDS[3]}_000000_000010", "test", 0),
    ]
    assert listing.ignored == ("test/unlabelled.mp4", "train/bowling/Thumbs.db")
    assert listing.detected.startswith("train.csv and val.csv in ")
    assert listing.detected.endswith(", 1 of the 5 listed clips are not on disk")


@pytest.mark.parametrize("lists", ["annotations", "splits", "."])
@pytest.mark.parametrize(
    "rename",
    [
        lambda path: path.replace("playing guitar", "playing_guitar"),
        lambda path: path.replace("train/", "videos_train/").replace("val/", "videos_val/"),
        lambda path: path.rsplit("/", 1)[1],
        lambda path: f"clips/{path.rsplit('/', 1)[1]}",
        lambda path: path.replace(".mp4", ".MP4"),
        lambda path: path.replace("_000002_000012", "_2").replace("_000100_000110", "_100_110"),
    ],
    ids=["underscores", "videos_train", "flat", "one folder", "upper case", "short times"],
)
def test_clips_are_found_by_id_and_start_wherever_they_lie(tree, rename, lists: str):
    listing = read(tree([rename(path) for path in FILES], place(OFFICIAL, lists)))
    assert listing.layout == "kinetics"
    assert {clip.path: (clip.split, clip.label) for clip in listing.clips} == {
        rename(FILES[0]): ("train", 1),
        rename(FILES[1]): ("train", 0),
        rename(FILES[2]): ("train", 1),
        rename(FILES[3]): ("test", 0),
    }


@pytest.mark.parametrize("name", ["validate.csv", "test.csv", "kinetics_val.csv", "kinetics400_test.csv"])
def test_the_second_list_has_several_names(tree, name: str):
    texts = {"train.csv": OFFICIAL["train.csv"], name: OFFICIAL["val.csv"]}
    listing = read(tree(FILES, place(texts)))
    assert listing.split == ("train/test" if "test" in name else "train/val")
    assert [clip.path for clip in listing.clips if clip.split == "test"] == [FILES[3]]


def test_a_test_list_beside_a_validation_list_is_left_out(tree):
    files = [*FILES, "test/x/Zyxwvutsrq-_000000_000010.mp4"]
    texts = OFFICIAL | {"test.csv": f"youtube_id,time_start,time_end,split\n{IDS[4]},0,10,test\n"}
    texts["train.csv"] = texts["train.csv"].replace(IDS[4], "gone_gone_g")
    assert read(tree(files, place(texts))).ignored == (files[-1],)


@pytest.mark.parametrize("separator", [" ", "\t", ",", ",10,", ", "])
def test_lists_of_paths_and_numbers_take_their_names_from_the_folders(tree, separator: str):
    rows = [f"{path.split('/', 1)[1]}{separator}{int('guitar' in path)}\n" for path in FILES]
    texts = {"k400_train_list_videos.txt": "".join(rows[:3]), "k400_val_list_videos.txt": rows[3]}
    listing = read(tree(FILES, place(texts, ".")))
    assert (listing.layout, listing.classes) == ("kinetics", ("bowling", "playing guitar"))
    assert [clip.label for clip in listing.clips] == [0, 1, 1, 0]


def test_a_class_list_names_the_numbers_and_gives_the_order(tree):
    texts = {
        "my_train.txt": f"{IDS[0]}_000002_000012,10,7\n{IDS[1]}_000100_000110,10,3\n",
        "my_test.txt": f"{IDS[3]}_0,10,3\n",
        "classes.txt": "7 playing guitar\n3 bowling\n9 singing\n",
    }
    listing = read(tree(FILES, place(texts)))
    assert listing.classes == ("bowling", "playing guitar", "singing")
    assert [(clip.path, clip.label) for clip in listing.clips] == [(FILES[1], 0), (FILES[0], 1), (FILES[3], 0)]
    assert as_options(listing.detected).endswith(", 1 classes have none (--classes leaves them out)")
    (listing.root / "annotations/classes.txt").rename(listing.root / "annotations/label_map_k9.txt")
    assert read(listing.root).classes == listing.classes


def test_of_several_files_the_best_is_taken_or_none(tree):
    again = [f"replacement/{IDS[1]}_000100_000110.mp4", FILES[0].replace(".mp4", ".wav"), FILES[3].replace("val", "x")]
    root = tree([*FILES, *again], place(OFFICIAL))
    listing = read(root)
    assert {clip.path for clip in listing.clips} == set(FILES)
    assert set(listing.ignored) == set(again)
    (root / FILES[0]).with_suffix(".avi").touch()
    with pytest.raises(
        PoisonkitError, match=r"train.csv, line 2 names .*_000012, which may be .*\.avi or .*\.mp4; keep one"
    ):
        read(root)


def test_lists_named_on_the_command_line(tree, tmp_path: Path):
    root = tree(FILES)
    for name, text in OFFICIAL.items():
        (tmp_path / name).write_text(text)
    assert read(root).layout == "folder"
    assert read(root, options=Options(annotations=tmp_path)).layout == "kinetics"


@pytest.mark.parametrize(
    "texts",
    [
        {"train.csv": "clip_path,label\n/a/x.avi,a\n", "val.csv": "clip_path,label\n/b/y.avi,b\n"},
        {"train.csv": "a/x.avi 0\n", "test.csv": "b/y.avi 1\n"},
        {"train.csv": "", "val.csv": ""},
        {"train.csv": OFFICIAL["train.csv"]},
    ],
)
def test_lists_of_other_data_sets_are_left_to_the_other_layouts(tree, texts: dict[str, str]):
    files = ["train/a/1.avi", "train/b/2.avi", "test/a/3.avi", "test/b/4.avi"]
    root = tree(files, place(texts, "."))
    (root / "val.txt").write_bytes(b"\xff\xfe")
    assert read(root).layout == "folder"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train.csv": HEAD + "bowling,-3Mwkq-7TV4,2\n"}, r"train.csv, line 2 is .*; expected is a label, a YouTube"),
        ({"train.csv": HEAD + "bowling,-3Mwkq-7TV4,now,then\n"}, r"train.csv, line 2 is"),
        ({"val.csv": "youtube_id,time_start,time_end\n"}, r"val.csv has no column 'label', only youtube_id"),
        ({"val.csv": HEAD + f"bowlin,{IDS[3]},0,10\n"}, r"val.csv, line 2 names the class 'bowlin', .*'bowling'"),
        ({"val.csv": HEAD}, r"no clips in its test split"),
        ({"val.csv": f"{HEAD}bowling,{IDS[1]},100,110,val,0\n"}, r"train.csv, line 3 and val.csv, line 2 put train/b"),
        ({"validate.csv": OFFICIAL["val.csv"]}, r"holds both val.csv and validate.csv; keep one, or"),
        ({"classes.txt": "0 bowling\n1 singing\n"}, r"names the class 'playing guitar', which classes.txt lacks"),
        (
            {"train.csv": f"{IDS[0]}_2,10,0\n{IDS[1]}_100 1\n", "val.csv": f"{IDS[3]}_0,10,0\n"},
            r"number the classes without naming them; put a classes.txt",
        ),
        (
            {"train.csv": f"{IDS[0]}_2,10,40\n", "val.csv": f"{IDS[3]}_0,10,0\n", "classes.txt": "a\nb\n"},
            r"train.csv, line 1 gives the label 40, and the numbers of classes.txt are 0 … 1",
        ),
        ({"train.csv": f"{IDS[0]}_2,10,40\nwhat\n"}, r"train.csv, line 2 is 'what'; expected is a first line"),
    ],
)
def test_lists_that_contradict_themselves_or_the_disk_are_told(tree, change: dict[str, str], message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree(FILES, place(OFFICIAL | change)))


def test_clips_and_lists_that_are_all_missing_are_told(tree):
    root = tree(["other/x.mp4"], place(OFFICIAL))
    with pytest.raises(PoisonkitError, match=r"none of the 5 clips that train.csv and val.csv in .*list is in"):
        read(root)
    (root / "annotations/val.csv").unlink()
    with pytest.raises(PoisonkitError, match=r"no lists train.csv and val.csv .*give their folder: annotations"):
        read(root, "kinetics")


def test_the_lists_of_kinetics_sounds(tmp_path: Path, real):
    lists = real("splits/kinetics-sounds")
    rows = {
        part: [line.split(",") for line in (lists / f"my_{part}.txt").read_text().split()] for part in ("train", "test")
    }
    for part, entries in rows.items():
        (tmp_path / part).mkdir()
        for clip, _, _ in entries[::2]:
            (tmp_path / part / f"{clip}.mp4").touch()
    listing = read(tmp_path, options=Options(annotations=lists))
    assert listing.layout == "kinetics"
    assert listing.classes == class_names("kinetics-sounds")
    assert (len(listing.classes), listing.classes[0], listing.classes[30]) == (31, "blowing nose", "tickling")
    assert Counter(clip.split for clip in listing.clips) == {"train": 7400, "test": 1299}
    assert "8697 of the 17396 listed clips are not on disk" in listing.detected
    label = {f"{part}/{clip}": int(number) for part, entries in rows.items() for clip, _, number in entries}
    assert all(clip.label == label[clip.id] for clip in listing.clips)
    assert not listing.ignored
