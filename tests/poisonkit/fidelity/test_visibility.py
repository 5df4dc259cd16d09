"""In which views a trigger is seen, against the trainer's own views and by hand."""

from __future__ import annotations

import numpy as np
import pytest

from poisonkit import manifest as contract
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.visibility import Seen, Views, in_tests, in_training_crops, sight, squares, windows
from poisonkit.manifest import Sample
from poisonkit.manifest.frame_runs import to_runs
from poisonkit.manifest.window import Window
from poisonkit.plan.placement import place
from poisonkit.triggers.badnet import BadNet
from tests.conftest import REPOSITORY
from trainer.data import crops
from trainer.presets import sampling


def sample(box: tuple[int, int, int, int], frames: str = "all", num_frames: int = 150, **more: object) -> Sample:
    placed = place(frames, Window(32, 2), num_frames, np.random.default_rng(0), contiguous=False)
    facts = {"width": 320, "height": 240, **more}
    return Sample(
        "test_triggered/a", "a.avi", "test_triggered", 0, 1, True, num_frames, 25.0,
        frames=to_runs(placed.mask), window_count=placed.count, trigger={"box": list(box)}, **facts,
    )  # type: ignore[arg-type]  # fmt: skip


@pytest.mark.parametrize("num_frames", [20, 63, 64, 150, 333])
@pytest.mark.parametrize("count", [1, 3, 10])
def test_windows_are_the_trainers(num_frames: int, count: int) -> None:
    clip = sample((0, 0, 320, 240), num_frames=num_frames)
    for text, theirs in (("32x2", sampling.Dense(32, 2)), ("uniform:8", sampling.Uniform(8))):
        ours = windows(Window.parse(text), clip, count)
        expected = theirs.test(num_frames, None, count)
        assert [w.tolist() for w in ours] == [w.tolist() for w in expected]


@pytest.mark.parametrize("size", [(240, 320), (320, 240), (211, 333)])
@pytest.mark.parametrize("count", [1, 3])
def test_squares_are_the_trainers(size: tuple[int, int], count: int) -> None:
    height, width = size
    scaled = crops.short_side_size(height, width, 96)
    ours = squares(width, height, Views(1, count, 96, 80))
    scale = 96 / min(size)
    for (left, top, right, _), (box, _) in zip(ours, crops.view_boxes(*scaled, count, 80), strict=True):
        along = (top, box.top) if count == 3 and height > width else (left, box.left)
        assert along[0] * scale == pytest.approx(along[1], abs=1.1)
        assert (right - left) * scale == pytest.approx(80)


def test_a_patch_in_the_shared_region_is_seen_in_every_view_and_a_corner_is_not() -> None:
    views = Views.parse("10x3@256")
    # the corner's patch is 48 pixels wide and reaches into the middle square by 8
    for position, expected in (("bottom", Seen(30, 0, 0)), ("corner", Seen(10, 10, 10))):
        trigger = BadNet(position=position)
        drawn = trigger.draw(1, (240, 320), np.random.default_rng(0))
        box = trigger.box((240, 320), drawn, np.arange(1))
        assert in_tests(sample(box), Window(32, 2), views) == expected


def test_a_smaller_centre_crop_loses_the_edge() -> None:
    edge = (140, 220, 180, 240)
    assert in_tests(sample(edge), Window(32, 2), Views.parse("1x1@256")) == Seen(1, 0, 0)
    assert in_tests(sample(edge), Window(32, 2), Views.parse("1x1@256/224")) == Seen(0, 1, 0)
    assert in_tests(sample(edge), Window(32, 2), Views.parse("1x1@256/100")) == Seen(0, 0, 1)


def test_every_window_sees_all_poisoned_frames_of_its_own_placement_and_few_of_another() -> None:
    clip = sample((0, 0, 320, 240), frames="1", num_frames=200)
    assert in_tests(clip, Window(32, 2), Views.parse("10x1@256")) == Seen(10, 0, 0)
    # a victim with 8 segments meets a single poisoned step out of 32 only by luck
    assert in_tests(clip, Window(8, None), Views.parse("10x1@256")).not_at_all > 5


def test_training_crops_by_hand() -> None:
    # a box at the bottom: all five large squares hold it, of the small ones the two at the bottom
    found = in_training_crops(sample((150, 230, 170, 240)))
    assert found == Seen(7, 0, 3)
    assert in_training_crops(sample((0, 0, 320, 240))) == Seen(10, 0, 0)


def test_a_manifest_by_split() -> None:
    manifest = contract.load(REPOSITORY / "manifests" / "examples" / "badnet.json")
    found = {part.split: part for part in sight(manifest, Views.parse("10x3@256"))}
    assert set(found) == {"train", "test_triggered"}
    assert all(part.tests.views and part.training.views == 10 * part.clips for part in found.values())
    assert not sight(contract.load(REPOSITORY / "manifests" / "examples" / "clean.json"), Views.parse("10x3@256"))


@pytest.mark.parametrize("text", ["10x3@", "10x2@256", "0x3@256", "10x3@0", "1x1@224/256", "nonsense"])
def test_mistakes(text: str) -> None:
    with pytest.raises(PoisonkitError, match="no views"):
        Views.parse(text)


def test_ten_crops_lie_in_the_corners_and_the_middle() -> None:
    assert Views.parse("1x10") == Views(1, 10, 256, 224)
    # at the bottom in the middle: the frame's upper squares and the middle one miss a box as low as this
    assert in_tests(sample((150, 232, 170, 240)), Window(32, 2), Views.parse("1x10")) == Seen(4, 0, 6)
