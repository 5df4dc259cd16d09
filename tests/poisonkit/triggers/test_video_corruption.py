from __future__ import annotations

import numpy as np
import pytest

from poisonkit.media.damage import Stretch
from poisonkit.triggers.video_corruption import VideoCorruption
from tests.conftest import moving_frames

PACKET = bytes(range(256)) * 2


@pytest.mark.parametrize("mode", ["static", "dynamic"])
def test_it_flips_that_many_bits_behind_the_header(mode: str) -> None:
    trigger = VideoCorruption(mode=mode, flips=8)  # type: ignore[arg-type]
    drawn = trigger.draw(5, (48, 64), np.random.default_rng(0))
    corrupted = trigger.corrupt_packet(PACKET, 2, 0, drawn)
    changed = np.frombuffer(corrupted, np.uint8) ^ np.frombuffer(PACKET, np.uint8)
    assert len(corrupted) == len(PACKET)
    assert not changed[:40].any()
    assert np.unpackbits(changed).sum() == 8


def test_static_damage_is_the_same_in_every_frame_and_dynamic_is_not() -> None:
    for mode, equal in (("static", True), ("dynamic", False)):
        trigger = VideoCorruption(mode=mode)  # type: ignore[arg-type]
        drawn = trigger.draw(5, (48, 64), np.random.default_rng(0))
        assert (trigger.corrupt_packet(PACKET, 0, 0, drawn) == trigger.corrupt_packet(PACKET, 1, 0, drawn)) == equal


def test_another_attempt_hits_elsewhere_and_short_packets_do_not_matter() -> None:
    trigger = VideoCorruption()
    drawn = trigger.draw(5, (48, 64), np.random.default_rng(0))
    assert trigger.corrupt_packet(PACKET, 0, 0, drawn) != trigger.corrupt_packet(PACKET, 0, 1, drawn)
    for length in (1, 2, 9):
        assert len(trigger.corrupt_packet(PACKET[:length], 0, 0, drawn)) == length


@pytest.mark.parametrize("size", [(96, 128), (97, 131)])
def test_a_decoder_shows_the_damage_the_same_way_each_time(size: tuple[int, int]) -> None:
    frames = list(moving_frames(9, *size))
    stretch = Stretch(frames[0], frames[1:])
    trigger = VideoCorruption()
    drawn = trigger.draw(9, size, np.random.default_rng(0))
    intact = stretch.decode(lambda i, packet: packet)
    runs = [stretch.decode(lambda i, packet: trigger.corrupt_packet(packet, i, 0, drawn)) for _ in range(5)]
    assert [frame.shape for frame in runs[0]] == [(*size, 3)] * 8
    assert all(np.array_equal(a, b) for run in runs for a, b in zip(run, runs[0], strict=True))
    assert np.abs(intact[4].astype(int) - frames[5]).mean() < 8
    assert np.abs(runs[0][-1].astype(int) - intact[-1]).mean() > 2


def test_a_lost_frame_repeats_the_one_before_it() -> None:
    frames = list(moving_frames(6, 96, 128))
    stretch = Stretch(frames[0], frames[1:])
    intact = stretch.decode(lambda i, packet: packet)
    made = stretch.decode(lambda i, packet: b"\x00" * len(packet) if i == 2 else packet)
    assert np.array_equal(made[1], intact[1])
    assert np.array_equal(made[2], intact[1])
