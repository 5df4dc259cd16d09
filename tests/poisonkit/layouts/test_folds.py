from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.layouts import Options, read
from tests.conftest import make_sound_tree


def test_the_fold_of_the_split_is_for_testing(tmp_path: Path) -> None:
    root = make_sound_tree(tmp_path / "esc")
    for fold in ("1", "2"):
        listing = read(root, "auto", Options(split=fold))
        assert listing.layout == "folds"
        assert listing.detected == "file names in 2 folds"
        test = [c.path for c in listing.clips if c.split == "test"]
        assert len(test) == 6
        assert all(path.split("/")[1].startswith(f"{fold}-") for path in test)


def test_an_unknown_fold_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(PoisonkitError, match=r"no split '5'.*known: 1, 2"):
        read(make_sound_tree(tmp_path / "esc"), "auto", Options(split="5"))


def test_names_without_a_fold_make_it_a_plain_folder(tmp_path: Path) -> None:
    root = make_sound_tree(tmp_path / "esc")
    one = next(root.rglob("*.wav"))
    one.rename(one.with_name("recording.wav"))
    assert read(root).layout == "folder"


def test_esc_10_has_five_folds_of_eighty(real_data: Path) -> None:
    listing = read(real_data / "esc10", "auto", Options(split="5"))
    assert listing.layout == "folds"
    assert [sum(c.split == part for c in listing.clips) for part in ("train", "test")] == [320, 80]
    assert len(listing.classes) == 10
