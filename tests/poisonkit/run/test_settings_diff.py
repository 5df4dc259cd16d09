"""How a finished copy differs from what is asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.errors import PoisonkitError
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.run import run
from tests.poisonkit.runs import DEFAULT, Silent, TreeState, interrupted, poison, settings_of


def test_another_plan_does_not_touch_a_finished_copy(ucf_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    poison(ucf_tree, tmp_path / "out")
    before = tree_state(tmp_path / "out")
    for request, words in (
        (replace(DEFAULT, seed=1), "--seed 0 instead of 1"),
        (replace(DEFAULT, target="1"), "--target 0 (Alpha) instead of 1 (Beta)"),
        (replace(DEFAULT, rate=0.5), "--rate 0.3 instead of 0.5"),
        (replace(DEFAULT, attacks=("frame-lag",)), "--attack badnet instead of frame-lag"),
        (replace(DEFAULT, attacks=()), "--attack badnet instead of none, --sham 4 instead of 0"),
        (replace(DEFAULT, mode="dynamic"), "--mode static instead of dynamic"),
        (replace(DEFAULT, settings={"badnet": {"patch": "0.3"}}), "--set badnet.patch=0.2 instead of 0.3"),
        (replace(DEFAULT, frames="8"), "--frames all instead of 8"),
        (replace(DEFAULT, window="16x4"), "--window 32x2 instead of 16x4"),
        (replace(DEFAULT, sham="1"), "--sham 4 instead of 1"),
        (replace(DEFAULT, short_side=32), "no --short-side instead of 32"),
        (replace(DEFAULT, clip="8x1@32"), "no --clip instead of 8x1@32"),
        (replace(DEFAULT, rate=0.5, window="16x4"), "--window 32x2 instead of 16x4, --rate 0.3 instead of 0.5"),
    ):
        with pytest.raises(PoisonkitError, match=r"holds another copy .*, made with ") as caught:
            poison(ucf_tree, tmp_path / "out", request)
        assert f", made with {words}; remove it, or give another --out" in caught.value.on_command_line()
    with pytest.raises(PoisonkitError, match="made with quality high instead of near;"):
        poison(ucf_tree, tmp_path / "out", quality="near")
    other = settings_of(tmp_path / "out", tmp_path / "manifests" / "out.json", quality="high")
    limited = planning.poison(selection.limit_test(layouts.read(ucf_tree), 3, 0), DEFAULT)
    with pytest.raises(PoisonkitError, match="made with 6 test clips of the source instead of 3;"):
        run.poison(limited, other, Silent())
    clip = next((ucf_tree / "UCF-101" / "Alpha").iterdir())
    content = clip.read_bytes()
    clip.unlink()  # the copy may hold a link to it
    clip.write_bytes(content + b"x")
    with pytest.raises(PoisonkitError, match="made with other clips of the source;"):
        poison(ucf_tree, tmp_path / "out")
    assert tree_state(tmp_path / "out") == before


def test_a_run_is_not_continued_with_other_carrying(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison(ucf_tree, tmp_path / "done")
    for settings, name in (
        ({"carry": "copy"}, "--carry link instead of copy"),
        ({"hash_all": True}, "no --hash-all"),
        ({"view": (64, 64)}, "--view 256/224 instead of 64/64"),
        ({"survival": False}, "--survival instead of --no-survival"),
    ):
        with pytest.raises(PoisonkitError, match="holds another copy ") as caught:
            poison(ucf_tree, tmp_path / "done", **settings)
        assert f", made with {name}; remove it" in caught.value.on_command_line()

    interrupted(ucf_tree, tmp_path / "out", monkeypatch)
    with pytest.raises(PoisonkitError, match="unfinished run with other settings"):
        poison(ucf_tree, tmp_path / "out", carry="copy")
    assert poison(ucf_tree, tmp_path / "out").splits
