from __future__ import annotations

import numpy as np
import pytest

from poisonkit.triggers.badnet import BadNet


def stamp(
    trigger: BadNet, height: int, width: int, num_frames: int = 1
) -> tuple[np.ndarray, tuple[int, int, int, int]]:
    frames = np.zeros((num_frames, height, width, 3), dtype=np.uint8)
    drawn = trigger.draw(num_frames, (height, width), np.random.default_rng(0))
    places = np.arange(num_frames)
    result = trigger(frames, places, np.ones(num_frames, dtype=bool), drawn)
    return result, trigger.box((height, width), drawn, places)


def test_the_patch_is_nine_blocks_of_the_drawn_colours() -> None:
    trigger = BadNet(patch=0.15)
    result, (x0, y0, x1, y1) = stamp(trigger, 240, 320)
    # 0.15 of 240 is 36 pixels: three blocks of 12
    assert (x1 - x0, y1 - y0) == (36, 36)
    colours = trigger.draw(1, (240, 320), np.random.default_rng(0))["colours"]
    assert set(np.unique(colours).tolist()) == {0, 255}
    expected = np.kron(colours, np.ones((12, 12, 1), dtype=np.uint8))
    assert np.array_equal(result[0, y0:y1, x0:x1], expected)


@pytest.mark.parametrize("size", [(240, 320), (256, 340), (360, 480), (320, 240), (244, 348), (211, 333), (640, 360)])
def test_the_default_place_lies_in_all_three_test_crops_and_the_centre_crop(size: tuple[int, int]) -> None:
    height, width = size
    short = min(size)
    _, (x0, y0, x1, y1) = stamp(BadNet(), height, width)
    for along in (0.0, 0.5, 1.0):  # the three square crops of the whole short side
        left, top = round((width - short) * along), round((height - short) * along)
        assert left <= x0 < x1 <= left + short
        assert top <= y0 < y1 <= top + short
    left, top, side = (width - short * 3 / 4) / 2, (height - short * 3 / 4) / 2, short * 3 / 4
    assert left - 2 <= x0 < x1 <= left + side + 2
    assert top - 2 <= y0 < y1 <= top + side + 2


def test_the_corner_is_the_corner() -> None:
    _, (x0, y0, x1, y1) = stamp(BadNet(position="corner"), 240, 320)
    assert (x0, y0, x1, y1) == (272, 192, 320, 240)


def test_corners_are_even_for_odd_frames() -> None:
    for position in ("bottom", "center", "corner"):
        _, (x0, y0, _, _) = stamp(BadNet(position=position), 211, 333)
        assert (x0 % 2, y0 % 2) == (0, 0)


def test_a_patch_larger_than_the_frame_is_cut() -> None:
    result, box = stamp(BadNet(patch=1.0, blocks=64), 33, 47)
    assert box == (0, 0, 47, 33)
    assert result.shape == (1, 33, 47, 3)


def test_dynamic_patches_move_and_change_colour() -> None:
    trigger = BadNet(mode="dynamic")
    drawn = trigger.draw(30, (240, 320), np.random.default_rng(0))
    boxes = {trigger.box((240, 320), drawn, np.array([i])) for i in range(30)}
    assert len(boxes) > 25
    assert not np.array_equal(drawn["colours"][0], drawn["colours"][1])


@pytest.mark.parametrize("blocks", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_a_mirrored_patch_is_the_same_patch(blocks: int, mode: str) -> None:
    colours = BadNet(mode=mode, blocks=blocks).draw(7, (48, 64), np.random.default_rng(0))["colours"]  # type: ignore[arg-type]
    assert colours.shape[-3:] == (blocks, blocks, 3)
    assert np.array_equal(colours, colours[..., ::-1, :])
    if blocks > 2:
        assert not np.array_equal(colours, colours[..., ::-1, :, :])
