"""Class folders: with train and test, and with a seeded split that keeps groups together."""

from __future__ import annotations

from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Listing, Options, read
from poisonkit.layouts._split import draw_test, group_of


def parts_of(listing: Listing) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = defaultdict(set)
    for clip in listing.clips:
        parts[clip.split].add(clip.path)
    return parts


def test_train_and_test_folders_with_nested_classes(tree):
    train = ["train/b/x.mp4", "train/a/deep/er/x.wav", "train/loose.mp4"]
    listing = read(tree([*train, "test/a/y.mp4", "val/a/z.mp4", "val/c/z.mp4"]))
    assert (listing.layout, listing.split, listing.classes) == ("folder", "train/test", ("a", "b"))
    assert [(c.id, c.split, c.label) for c in listing.clips] == [
        ("test/a/y", "test", 0),
        ("train/a/deep/er/x", "train", 0),
        ("train/b/x", "train", 1),
    ]
    assert listing.ignored == ("train/loose.mp4", "val/a/z.mp4", "val/c/z.mp4")


@pytest.mark.parametrize("name", ["val", "Validation", "valid"])
def test_validation_stands_in_for_a_missing_test_folder(tree, name: str):
    listing = read(tree(["Train/a/1.mp4", "Train/b/2.mp4", f"{name}/a/3.mp4"]))
    assert listing.split == f"Train/{name}"
    assert parts_of(listing)["test"] == {f"{name}/a/3.mp4"}


def test_a_class_may_be_called_train(tree):
    listing = read(tree([f"{name}/{n}.ogg" for name in ("Train", "Test") for n in range(5)]))
    assert listing.classes == ("Test", "Train")
    assert Counter((c.label, c.split) for c in listing.clips)[(1, "test")] == 1


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (
            ["train/a/1.mp4", "train/b/2.mp4"],
            r"only one class folder, 'train',.* put test/<class>/ beside it",
        ),
        (["all/a/1.mp4", "all/b/2.mp4"], r"only one class folder, 'all'"),
        (
            ["train/a/1.mp4", "train/b/1.mp4", "test/c/2.mp4"],
            r"class 'c' of .* has no clips in train/ \(1 such",
        ),
        (["a/1.mp4", "b/2.mp4"], r"no clips in its test split"),
    ],
)
def test_what_cannot_be_split_is_told(tree, paths: list[str], message: str):
    with pytest.raises(PoisonkitError, match=message):
        read(tree(paths))


def test_a_folder_without_classes_is_told(tree):
    with pytest.raises(PoisonkitError, match=r"no class folder with media files .* give the folder whose"):
        read(tree(["1.mp4"]), "folder")


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("Dive/v_Dive_g07_c02.avi", "g07"),
        ("Dive/v_Dive_g07_c02_small.mp4", "g07"),
        ("001 - Dog/1-100032-A.ogg", "100032"),
        ("dog/5-9032-B-0.wav", "9032"),
        ("dog/dQw4w9WgXcQ_000010_000020.mp4", "dQw4w9WgXcQ"),
        ("basketball/v_shooting_03_01.avi", "03"),
        ("a/holiday.mp4", "a/holiday"),
        ("a/sub/big_gig.mp4", "a/sub/big_gig"),
    ],
)
def test_groups_that_names_show(path: str, group: str):
    assert group_of(path) == group


GROUPS = st.dictionaries(st.tuples(st.integers(0, 3), st.integers(0, 9)), st.integers(1, 6), min_size=1, max_size=30)


@given(GROUPS, st.integers(0, 99), st.sampled_from([0.1, 0.2, 0.5]))
def test_groups_never_straddle_the_splits_and_every_class_can_be_learned(sizes, seed: int, share: float):
    labels = {f"{c}/v_{c}_g{g:02d}_c{n}.avi": c for (c, g), size in sizes.items() for n in range(size)}
    test = draw_test(labels, Options(seed=seed, test_fraction=share))
    assert {group_of(path) for path in test}.isdisjoint(group_of(path) for path in labels.keys() - test)
    assert {labels[path] for path in labels.keys() - test} == set(labels.values())
    assert test == draw_test(dict(reversed(labels.items())), Options(seed=seed, test_fraction=share))


@given(st.lists(st.integers(2, 40), min_size=2, max_size=4), st.integers(0, 99))
def test_without_groups_every_class_gives_its_share(sizes: list[int], seed: int):
    labels = {f"{c}/{n}.mp4": c for c, size in enumerate(sizes) for n in range(size)}
    counts = Counter(labels[path] for path in draw_test(labels, Options(seed=seed)))
    assert counts == {c: max(1, round(0.2 * size)) for c, size in enumerate(sizes)}


def test_the_seed_alone_changes_the_split(tree):
    root = tree([f"{name}/{n}{suffix}" for name in "ab" for n in range(20) for suffix in (".mp4", ".wav")])
    first, again, other = (read(root, options=Options(seed=seed)) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint
    assert parts_of(first)["test"] != parts_of(other)["test"]
    (root / "a/0.mp4").write_bytes(b"longer")
    assert parts_of(read(root)) == parts_of(first)
    stems = {part: {path[:-4] for path in paths} for part, paths in parts_of(first).items()}
    assert stems["train"].isdisjoint(stems["test"]), "the sound of a clip stays with its picture"


def test_real_sounds_keep_their_recordings_together(real):
    listing = read(real("esc10"))
    assert (len(listing.classes), len(listing.clips)) == (10, 400)
    assert listing.classes[0] == "001 - Dog bark"
    assert set(Counter(c.label for c in listing.clips if c.split == "test").values()) == {8}
    groups = [{group_of(path) for path in paths} for paths in parts_of(listing).values()]
    assert groups[0].isdisjoint(groups[1])


def test_real_clips_in_train_and_test(real):
    listing = read(real("av-ut-esc"))
    assert Counter(clip.split for clip in listing.clips) == {"train": 83, "test": 37}
    assert listing.ignored == ("pairs.csv",)


@pytest.mark.parametrize("other", ["holdout", "dev", "eval"])
def test_train_beside_an_unknown_partner_is_not_a_class(tree, other: str):
    root = tree(["train/a/1.mp4", "train/b/2.mp4", f"{other}/a/3.mp4", f"{other}/b/4.mp4"])
    with pytest.raises(PoisonkitError, match="no folder of test clips"):
        read(root)


def test_a_split_that_the_layout_does_not_have_is_refused(tree):
    root = tree(["train/a/1.mp4", "train/b/2.mp4", "test/a/3.mp4"])
    assert read(root, options=Options(split="1")).clips
    with pytest.raises(PoisonkitError, match=r"layout 'folder' .* has no split '2'; leave split out"):
        read(root, options=Options(split="2"))


def test_official_lists_beside_the_folder_are_pointed_at(tree):
    root = tree([f"ucf/UCF-101/{c}/v_{c}_g{k:02d}_c01.mp4" for c in "ab" for k in range(5)])
    (root / "ucf" / "ucfTrainTestlist").mkdir()
    assert f"give {root / 'ucf'} for the official split" in read(root / "ucf" / "UCF-101").detected
