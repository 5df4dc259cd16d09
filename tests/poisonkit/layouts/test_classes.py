"""Class lists, and the restriction to some classes that every layout has."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, class_names, read
from poisonkit.layouts._classes import read_classes
from poisonkit.layouts._kinetics_sounds import KINETICS_SOUNDS

PATHS = [f"{part}/{name}/{n}.mp4" for part in ("train", "test") for name in ("a_b", "c", "D e") for n in range(2)]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("wave\nclap\n", ("wave", "clap")),
        ("\ufeff2 clap\r\n\r\n10 jump high\r\n1\twave  \r\n", ("wave", "clap", "jump high")),
        ("001 - Dog bark\n002 - Rain\n", ("001 - Dog bark", "002 - Rain")),
        ("3 steps\nwave\n", ("3 steps", "wave")),
    ],
)
def test_a_class_list_is_names_or_numbers_and_names(tmp_path: Path, text: str, names: tuple[str, ...]):
    (tmp_path / "classes.txt").write_bytes(text.encode())
    assert read_classes(tmp_path / "classes.txt").names == names
    assert class_names(str(tmp_path / "classes.txt")) == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"classes.txt names no class"),
        ("wave\nclap\nwave", r"holds the class 'wave' 2 times"),
        ("1 wave\n1 clap", r"holds the number 1 2 times"),
    ],
)
def test_class_lists_that_say_nothing_or_too_much_are_told(tmp_path: Path, text: str, message: str):
    (tmp_path / "classes.txt").write_text(text)
    with pytest.raises(PoisonkitError, match=message):
        class_names(str(tmp_path / "classes.txt"))


def test_lists_that_are_not_there_are_told(tmp_path: Path):
    with pytest.raises(PoisonkitError, match=r"'kinetic-sounds' is neither a file .*did you mean 'kinetics-sounds'"):
        class_names("kinetic-sounds")
    with pytest.raises(PoisonkitError, match=r"is neither a file nor a built-in list"):
        class_names(str(tmp_path))


def test_the_wanted_classes_alone_are_kept_in_their_order(tree):
    root = tree(PATHS)
    every = read(root)
    listing = read(root, options=Options(classes=("c", "a b")))
    assert every.classes == ("D e", "a_b", "c")
    assert listing.classes == ("c", "a_b"), "names are those of the data set"
    labels = {clip.id: clip.label for clip in listing.clips}
    assert labels == {p.removesuffix(".mp4"): int("a_b" in p) for p in PATHS if "D e" not in p}
    assert listing.ignored == tuple(sorted(p for p in PATHS if "D e" in p))
    assert listing.detected == f"{every.detected}; 2 chosen classes"
    assert listing.fingerprint not in (every.fingerprint, read(root, options=Options(classes=("a_b", "c"))).fingerprint)


def test_a_restricted_seeded_split_is_part_of_the_whole_one(tree):
    root = tree([f"{name}/{n}.mp4" for name in "abc" for n in range(10)])
    whole = {clip.id: clip.split for clip in read(root).clips}
    part = {clip.id: clip.split for clip in read(root, options=Options(classes=("b", "c"))).clips}
    assert part == {name: split for name, split in whole.items() if not name.startswith("a")}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("c", "a_c"), r"classes names 'a_c', which .* lacks; did you mean 'a_b'\?"),
        (("c", "a_b", "C"), r"names 'c' twice, the second time as 'C'"),
        (("c",), r"names 1 classes; give two or more"),
    ],
)
def test_unknown_and_repeated_classes_are_told(tree, classes: tuple[str, ...], message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree(PATHS), options=Options(classes=classes))


def test_a_name_that_fits_two_classes_must_be_exact(tree):
    root = tree([f"{part}/{name}/1.mp4" for part in ("train", "test") for name in ("a_b", "a b", "c")])
    assert read(root, options=Options(classes=("c", "a_b"))).classes == ("c", "a_b")
    with pytest.raises(PoisonkitError, match=r"names 'A b', which"):
        read(root, options=Options(classes=("c", "A b")))


def test_of_the_built_in_list_a_data_set_may_lack_some(tree):
    names = ["tickling", "bowling", "playing_drums", "archery"]
    root = tree([f"{part}/{name}/1.mp4" for part in ("train", "test") for name in names])
    listing = read(root, options=Options(classes=class_names("kinetics-sounds")))
    assert listing.classes == ("bowling", "playing_drums", "tickling")
    assert listing.detected.endswith("; 3 of the 31 classes of kinetics-sounds")
    assert listing.ignored == ("test/archery/1.mp4", "train/archery/1.mp4")
    assert len(set(KINETICS_SOUNDS)) == 31


def test_a_data_set_without_the_classes_is_told(tree):
    root = tree(PATHS)
    with pytest.raises(PoisonkitError, match=r"holds 0 of the 31 classes of kinetics-sounds where at least two"):
        read(root, options=Options(classes=KINETICS_SOUNDS))


def test_a_class_without_clips_is_told(tree):
    table = "path,label,split\n" + "".join(f"{path},{path.split('/')[1]},{path.split('/')[0]}\n" for path in PATHS)
    root = tree(PATHS, {"clips.csv": table, "classes.txt": "a_b\nc\nD e\nf\n"})
    assert read(root, "csv").classes == ("a_b", "c", "D e", "f")
    with pytest.raises(PoisonkitError, match=r"the class 'f' of classes has no clips in .*; take it out"):
        read(root, "csv", Options(classes=("a_b", "f")))


def test_every_layout_can_be_restricted(tree):
    lists = {f"splits/{name}_test_split1.txt": "1.avi 1\n2.avi 2\n" for name in "abc"}
    root = tree([f"{name}/{n}.avi" for name in "abc" for n in (1, 2)], lists)
    listing = read(root, options=Options(classes=("c", "a")))
    assert (listing.layout, [(clip.id, clip.label) for clip in listing.clips]) == (
        "hmdb51",
        [("a/1", 1), ("a/2", 1), ("c/1", 0), ("c/2", 0)],
    )
