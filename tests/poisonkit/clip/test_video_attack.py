"""What a clip's pictures become, before any encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poisonkit.clip.video_attack import VideoAttack
from poisonkit.manifest import Attack, Placement
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode, examine
from poisonkit.plan.job import Action, Context, Job
from poisonkit.triggers import TRIGGERS, find
from tests.conftest import moving_frames, write_lossless

KINDS = [(name, mode) for name, kind in TRIGGERS.items() if kind.modality == "video" for mode in ("static", "dynamic")]


def pictures(path: Path, name: str, mode: str, rule: str, action: Action = "trigger") -> tuple[VideoAttack, list, list]:
    placement = Placement(frames=rule, window="8x2")
    attack = Attack(name, "video", mode, find(name).build(mode, {}).params(), placement)  # type: ignore[arg-type]
    context = Context(path.parent, path.parent / "out", 3, (attack,), {"video": "high"})
    job = Job("a", "test", path.name, path.name, 0, 0, True, action, "a")
    change = VideoAttack(job, context, examine(path))
    rows = [[p if isinstance(p, np.ndarray) else to_rgb(p) for p in row] for row in change.versions(decode(path))]
    source = moving_frames(40, 97, 131)
    assert all(np.array_equal(row[0], frame) for row, frame in zip(rows, source, strict=True))
    return change, [row[1] for row in rows], [row[2] for row in rows]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lossless(tmp_path_factory.mktemp("clip") / "a.avi", moving_frames(40, 97, 131))


@pytest.mark.parametrize("rule", ["all", "3"])
@pytest.mark.parametrize(("name", "mode"), KINDS)
def test_placed_frames_change_and_no_other(clip: Path, name: str, mode: str, rule: str) -> None:
    change, before, after = pictures(clip, name, mode, rule)
    changed = np.array([not np.array_equal(a, b) for a, b in zip(before, after, strict=True)])
    assert not changed[~change.placed.mask].any()
    # a freeze starts with a live frame, so that some placed frames stay as they are
    assert changed[change.placed.mask].mean() > (0.5 if name == "frame-lag" else 0.99)


@pytest.mark.parametrize("name", sorted({name for name, _ in KINDS}))
def test_a_sham_clip_is_the_control_of_the_triggered_one(clip: Path, name: str) -> None:
    _, control, _ = pictures(clip, name, "static", "3")
    change, before, after = pictures(clip, name, "static", "3", action="reencode")
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(control, after, strict=True))
    same = [np.array_equal(a, b) for a, b in zip(control, moving_frames(40, 97, 131), strict=True)]
    # only damage needs a codec of its own, whose loss the control shares
    assert all(same) == (name != "video-corruption")
    assert np.array_equal(np.array(same) | change.placed.mask, np.ones(40, dtype=bool))


@pytest.mark.parametrize(("name", "mode"), KINDS)
def test_the_same_twice(clip: Path, name: str, mode: str) -> None:
    one, other = (pictures(clip, name, mode, "all")[2] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
