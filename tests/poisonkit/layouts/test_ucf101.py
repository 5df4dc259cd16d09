"""The UCF-101 layout, on made-up trees, on the official lists and on a real data set of this layout."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, read

CLIPS = [
    "Dive/v_Dive_g01_c01.avi",
    "Dive/v_Dive_g02_c01.avi",
    "Archery/v_Archery_g01_c01.avi",
    "Archery/v_Archery_g02_c01.avi",
]
LISTS = {
    "classInd.txt": "1 Dive\r\n2 Archery\r\n\r\n",
    "trainlist01.txt": f"{CLIPS[1]} 1\r\n\r\n{CLIPS[3]} 2  \r\n",
    "testlist01.txt": f"{CLIPS[0]}  \n{CLIPS[2]}\n",
    "trainlist02.txt": f"{CLIPS[0]} 1\n{CLIPS[2]} 2\n",
    "testlist02.txt": f"{CLIPS[1]}\n{CLIPS[3]}\n",
}


def place(lists: dict[str, str], folder: str = "ucfTrainTestlist") -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in lists.items()}


def test_labels_come_in_the_order_of_the_class_list(tree):
    listing = read(tree([f"UCF-101/{path}" for path in CLIPS], place(LISTS)))
    assert (listing.layout, listing.split) == ("ucf101", "1")
    assert listing.classes == ("Dive", "Archery")
    assert [(c.id, c.path, c.split, c.label) for c in listing.clips] == [
        ("Archery/v_Archery_g01_c01", "UCF-101/Archery/v_Archery_g01_c01.avi", "test", 1),
        ("Archery/v_Archery_g02_c01", "UCF-101/Archery/v_Archery_g02_c01.avi", "train", 1),
        ("Dive/v_Dive_g01_c01", "UCF-101/Dive/v_Dive_g01_c01.avi", "test", 0),
        ("Dive/v_Dive_g02_c01", "UCF-101/Dive/v_Dive_g02_c01.avi", "train", 0),
    ]
    assert "classInd.txt" in listing.detected


@pytest.mark.parametrize("media", ["", "UCF-101/", "my videos/"])
@pytest.mark.parametrize("lists", ["ucfTrainTestlist", "splits", "."])
def test_the_ids_do_not_depend_on_where_folders_and_lists_lie(tree, media: str, lists: str):
    listing = read(tree([media + path for path in CLIPS], place(LISTS, lists)))
    assert {clip.id for clip in listing.clips} == {path.removesuffix(".avi") for path in CLIPS}
    assert {clip.path for clip in listing.clips} == {media + path for path in CLIPS}
    assert not [name for name in listing.ignored if lists != "." and name.endswith(".txt")]


def test_lists_may_lie_elsewhere(tree, tmp_path: Path):
    root = tree(CLIPS)
    for name, text in LISTS.items():
        (tmp_path / name).write_text(text)
    assert read(root).layout == "folder"
    assert read(root, "auto", Options(annotations=tmp_path)).layout == "ucf101"


def test_another_split_has_other_clips(tree):
    root = tree(CLIPS, place(LISTS))
    first, second = (read(root, options=Options(split=split)) for split in ("1", "02"))
    test = [{clip.id for clip in listing.clips if clip.split == "test"} for listing in (first, second)]
    assert second.split == "2"
    assert test[0].isdisjoint(test[1])
    assert first.fingerprint != second.fingerprint
    with pytest.raises(PoisonkitError, match=r"no split '4' in .*known: 1, 2"):
        read(root, options=Options(split="4"))


def test_lists_may_hold_a_byte_order_mark_spaces_and_letters_of_any_kind(tree):
    lists = {
        "classInd.txt": "\ufeff1 Küssen\n2 Ball Spiel",
        "trainlist01.txt": "Küssen/a b.avi 1\nBall Spiel/ü 1.avi 2",
        "testlist01.txt": "Küssen/c.avi\nBall Spiel/d 4.avi",
    }
    names = ["Küssen/a b", "Ball Spiel/ü 1", "Küssen/c", "Ball Spiel/d 4"]
    listing = read(tree([f"{name}.avi" for name in names], place(lists)))
    assert listing.classes == ("Küssen", "Ball Spiel")
    assert {clip.id for clip in listing.clips} == set(names)


def test_unlisted_clips_are_ignored_and_converted_ones_are_found(tree):
    converted = [path.replace(".avi", ".MP4").replace("v_Dive", "v_dive") for path in CLIPS]
    listing = read(tree([*converted, "Dive/v_Dive_g99_c01.avi", "Dive/Thumbs.db"], place(LISTS)))
    assert {clip.path for clip in listing.clips} == set(converted)
    assert listing.ignored == ("Dive/Thumbs.db", "Dive/v_Dive_g99_c01.avi")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"trainlist01.txt": "Diving/v.avi 1"},
            r"trainlist01.txt, line 1 names the class 'Diving'.*did you mean 'Dive'",
        ),
        (
            {"testlist01.txt": "\nDive/lost.avi\nDive/gone.avi"},
            r"2 of the 4 clips .* the first is UCF-101/Dive/gone.avi; ",
        ),
        ({"trainlist01.txt": f"{CLIPS[0]} 2"}, r"gives 'Dive' the number 2, classInd.txt gives it 1"),
        ({"testlist01.txt": CLIPS[1]}, r"1 clips are both in trainlist01.txt and in testlist01.txt"),
        ({"testlist01.txt": ""}, r"no clips in its test split"),
        ({"testlist01.txt": "v_Dive_g01_c01.avi"}, r"expected is a path like"),
        ({"classInd.txt": "1 Dive\nArchery"}, r"classInd.txt, line 2 is 'Archery'; expected is a number"),
        ({"classInd.txt": "1 Dive\n1 Archery"}, r"repeats a class or a number"),
        ({"classInd.txt": "1 Swim"}, r"names the class 'Dive', which classInd.txt lacks"),
    ],
)
def test_lists_that_contradict_themselves_or_the_disk_are_told(tree, change: dict[str, str], message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree([f"UCF-101/{path}" for path in CLIPS], place(LISTS | change)))


def test_missing_folders_and_lists_are_told(tree):
    root = tree(["Other/x.avi"], place(LISTS))
    with pytest.raises(PoisonkitError, match=r"holds class folders like 'Dive'"):
        read(root)
    (root / "ucfTrainTestlist/testlist01.txt").unlink()
    with pytest.raises(PoisonkitError, match=r"cannot read .*testlist01.txt"):
        read(root)
    (root / "ucfTrainTestlist/classInd.txt").write_bytes(b"1 D\xfcve")
    (root / "ucfTrainTestlist/testlist01.txt").touch()
    with pytest.raises(PoisonkitError, match=r"not UTF-8"):
        read(root)
    (root / "ucfTrainTestlist/classInd.txt").unlink()
    with pytest.raises(PoisonkitError, match=r"no classInd.txt .*annotations"):
        read(root, "ucf101")


def test_the_official_splits_have_the_official_counts_and_are_read_at_once(tmp_path: Path, real):
    lists = real("splits/ucf101")
    for name in ("trainlist01.txt", "testlist01.txt"):
        for line in (lists / name).read_text().split("\n"):
            if line.strip():
                path = tmp_path / "UCF-101" / line.split()[0]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
    options = Options(annotations=lists)
    for split, counts in {"1": (9537, 3783), "2": (9586, 3734), "3": (9624, 3696)}.items():
        start = time.process_time()  # other processes of the machine do not count
        listing = read(tmp_path, options=replace(options, split=split))
        assert time.process_time() - start < 1.5
        parts = Counter(clip.split for clip in listing.clips)
        assert (parts["train"], parts["test"]) == counts
        assert len(listing.classes) == 101
        assert not listing.ignored


def test_a_real_data_set_of_this_layout(real):
    listing = read(real("ut-interaction"))
    assert (listing.layout, len(listing.classes), len(listing.clips)) == ("ucf101", 6, 120)
    assert Counter(clip.split for clip in listing.clips) == {"train": 83, "test": 37}
    assert all(clip.size > 10_000 for clip in listing.clips)
    assert listing.clips[0].id == "HandShaking/v_HandShaking_g01_c01"


def test_a_link_out_of_the_data_set_is_refused_for_the_media_folder_too(tree, tmp_path: Path):
    root = tree([f"UCF-101/{path}" for path in CLIPS], place(LISTS))
    (root / "UCF-101").rename(tmp_path / "elsewhere")
    (root / "UCF-101").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PoisonkitError, match="leads out of the data set"):
        read(root)
