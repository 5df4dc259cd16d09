"""The HMDB51 layout, on made-up trees and on the official lists."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, read

CLIPS = ["wave/a_wave_f_0.avi", "wave/b_wave_f_1.avi", "wave/c_wave_f_2.avi", "clap/a_clap_f_0.avi", "clap/b_clap.avi"]
LISTS = {
    "wave_test_split1.txt": "a_wave_f_0.avi 1 \r\nb_wave_f_1.avi 2 \r\n\r\nc_wave_f_2.avi 0 \r\n",
    "clap_test_split1.txt": "a_clap_f_0.avi 2\nb_clap.avi 1",
    "wave_test_split2.txt": "a_wave_f_0.avi 2 \nb_wave_f_1.avi 0 \nc_wave_f_2.avi 1 \n",
    "clap_test_split2.txt": "a_clap_f_0.avi 1 \nb_clap.avi 2 \n",
}


def place(lists: dict[str, str], folder: str = "testTrainMulti_7030_splits") -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in lists.items()}


def test_one_is_train_two_is_test_and_zero_is_ignored(tree):
    listing = read(tree([f"hmdb51_org/{path}" for path in CLIPS], place(LISTS)))
    assert (listing.layout, listing.split, listing.classes) == ("hmdb51", "1", ("clap", "wave"))
    assert [(c.id, c.path, c.split, c.label) for c in listing.clips] == [
        ("clap/a_clap_f_0", "hmdb51_org/clap/a_clap_f_0.avi", "test", 0),
        ("clap/b_clap", "hmdb51_org/clap/b_clap.avi", "train", 0),
        ("wave/a_wave_f_0", "hmdb51_org/wave/a_wave_f_0.avi", "train", 1),
        ("wave/b_wave_f_1", "hmdb51_org/wave/b_wave_f_1.avi", "test", 1),
    ]
    assert listing.ignored == ("hmdb51_org/wave/c_wave_f_2.avi",)
    assert listing.detected.startswith("lists of 2 classes in 2 splits in ")


@pytest.mark.parametrize("media", ["", "hmdb51_org/", "my videos/"])
@pytest.mark.parametrize("lists", ["testTrainMulti_7030_splits", "splits", "annotations", "."])
def test_the_ids_do_not_depend_on_where_folders_and_lists_lie(tree, media: str, lists: str):
    listing = read(tree([media + path for path in CLIPS], place(LISTS, lists)))
    assert listing.layout == "hmdb51"
    assert {clip.id for clip in listing.clips} == {path.removesuffix(".avi") for path in CLIPS} - {"wave/c_wave_f_2"}
    assert {clip.path for clip in listing.clips} == {media + path for path in CLIPS} - {f"{media}wave/c_wave_f_2.avi"}


def test_lists_may_lie_elsewhere(tree, tmp_path: Path):
    root = tree(CLIPS)
    for name, text in LISTS.items():
        (tmp_path / name).write_text(text)
    assert read(root).layout == "folder"
    assert read(root, "auto", Options(annotations=tmp_path)).layout == "hmdb51"


def test_another_split_has_other_clips(tree):
    root = tree(CLIPS, place(LISTS))
    second = read(root, options=Options(split="02"))
    assert second.split == "2"
    assert {clip.id for clip in second.clips if clip.split == "test"} == {"wave/a_wave_f_0", "clap/b_clap"}
    with pytest.raises(PoisonkitError, match=r"no split '4' in .*known: 1, 2"):
        read(root, options=Options(split="4"))


def test_the_class_list_gives_the_order(tree):
    listing = read(tree(CLIPS, place(LISTS | {"class_list.txt": "wave  \nclap"})))
    assert listing.classes == ("wave", "clap")
    assert {clip.id: clip.label for clip in listing.clips}["clap/b_clap"] == 1


def test_names_hold_what_titles_of_videos_hold(tree):
    names = ["Goal 1_&_2 (HD)!!_wave_0", "Laughing_;0)_[x]_#2_wave_1", "Grüße.avi_wave_2", "-wave 1"]
    texts = {
        "wave_test_split1.txt": "".join(f"{name}.avi {1 + n % 2} \n" for n, name in enumerate(names)),
        "clap_test_split1.txt": "",
    }
    listing = read(tree([f"wave/{name}.avi" for name in names], place(texts)))
    assert {clip.id for clip in listing.clips} == {f"wave/{name}" for name in names}
    assert Counter(clip.split for clip in listing.clips) == {"train": 2, "test": 2}


def test_converted_clips_are_found_and_strays_are_listed(tree):
    converted = [path.replace(".avi", ".MP4").replace("a_wave", "A_wave") for path in CLIPS]
    listing = read(tree([*converted, "wave/new.mp4", "wave/Thumbs.db"], place(LISTS)))
    assert {clip.path for clip in listing.clips} == set(converted) - {"wave/c_wave_f_2.MP4"}
    assert listing.ignored == ("wave/Thumbs.db", "wave/c_wave_f_2.MP4", "wave/new.mp4")


def test_one_file_does_not_stand_in_for_two_clips(tree):
    root = tree(["wave/x.avi", *CLIPS[3:]], place(LISTS | {"wave_test_split1.txt": "x.avi 1\nX.avi 2\n"}))
    with pytest.raises(PoisonkitError, match=r"1 of the 4 clips .* the first is wave/X.avi"):
        read(root)
    (root / "wave/x.avi").rename(root / "wave/x.mp4")
    with pytest.raises(PoisonkitError, match=r"wave.* line 1 and wave.* line 2 put wave/x.mp4 into different splits"):
        read(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"wave_test_split1.txt": "a_wave_f_0.avi 3"},
            r"wave_test_split1.txt, line 1 is .*; expected is a clip's name",
        ),
        ({"wave_test_split1.txt": "\na_wave_f_0.avi"}, r"wave_test_split1.txt, line 2 is 'a_wave_f_0.avi'; expected"),
        ({"wave_test_split1.txt": "wave/../../a.avi 1"}, r"line 1 is 'wave/../../a.avi 1'; expected"),
        (
            {"wave_test_split1.txt": "lost.avi 1\ngone.avi 2\nunused.avi 0"},
            r"2 of the 4 clips .* the first is wave/gone.avi; complete .*: annotations",
        ),
        (
            {"clap_test_split1.txt": "a_clap_f_0.avi 1\na_clap_f_0.avi 2"},
            r"line 1 and .*line 2 put clap/a_clap_f_0.avi",
        ),
        ({"jump_test_split2.txt": ""}, r"no jump_test_split1.txt \(1 of 3 classes lack such a list\); add it"),
        ({"class_list.txt": "waves\nclap"}, r"the class 'wave', which class_list.txt lacks; did you mean 'waves'"),
        ({"class_list.txt": "wave\nclap\nhug"}, r"no hug_test_split1.txt"),
        ({"class_list.txt": "wave\nclap\nwave"}, r"class_list.txt holds the class 'wave' 2 times"),
        ({"class_list.txt": "\n"}, r"class_list.txt names no class"),
    ],
)
def test_lists_that_contradict_themselves_or_the_disk_are_told(tree, change: dict[str, str], message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree(CLIPS, place(LISTS | change)))


def test_missing_folders_and_lists_are_told(tree):
    root = tree(["Other/x.avi"], place(LISTS))
    with pytest.raises(PoisonkitError, match=r"holds clips in class folders like 'clap'"):
        read(root)
    (root / "testTrainMulti_7030_splits/wave_test_split1.txt").write_bytes(b"\xff.avi 1")
    (root / "wave").mkdir()
    (root / "wave/x.avi").touch()
    with pytest.raises(PoisonkitError, match=r"not UTF-8"):
        read(root)
    with pytest.raises(PoisonkitError, match=r"no lists like wave_test_split1.txt in .*give their folder: annotations"):
        read(root, "hmdb51", Options(annotations=root / "Other"))


def test_a_media_folder_that_is_a_link_may_not_lead_out(tree, tmp_path: Path):
    root = tree(["x.txt"], place(LISTS))
    for path in CLIPS:
        (tmp_path / "elsewhere" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "elsewhere" / path).touch()
    (root / "hmdb51_org").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PoisonkitError, match=r"leads out of the data set"):
        read(root)


def test_the_official_splits_have_the_official_counts(tmp_path: Path, real):
    lists = real("splits/hmdb51")
    for path in lists.glob("*_test_split1.txt"):
        folder = tmp_path / "hmdb51_org" / path.name.removesuffix("_test_split1.txt")
        folder.mkdir(parents=True)
        for line in path.read_text().split("\n"):
            if line.strip():
                (folder / re.sub(r" [012] *$", "", line)).touch()
    options = Options(annotations=lists)
    for split in "123":
        listing = read(tmp_path, options=replace(options, split=split))
        assert (listing.layout, len(listing.classes), len(listing.clips)) == ("hmdb51", 51, 5100)
        assert Counter(clip.split for clip in listing.clips) == {"train": 3570, "test": 1530}
        assert set(Counter((clip.label, clip.split) for clip in listing.clips).values()) == {70, 30}
        assert len(listing.ignored) == 1666
    assert (listing.classes[0], listing.classes[16], listing.classes[-1]) == ("brush_hair", "handstand", "wave")
