"""Single frames of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from poisonkit.media.colour import to_rgb
from poisonkit.media.encoders import LADDER
from poisonkit.media.frame_picker import Picked, Picker
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.media.videos import pixels, rewrite


class Counting:
    """A decoder that counts the frames that come out of it."""

    def __init__(self, decoder: Any) -> None:
        self.decoder, self.name, self.count = decoder, decoder.name, 0

    def decode(self, packet: Any) -> list[Any]:
        self.decoder.skip_frame = self.skip_frame
        made: list[Any] = self.decoder.decode(packet)
        self.count += len(made)
        return made

    skip_frame = "DEFAULT"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".webm"])
@pytest.mark.parametrize("rung", LADDER)
def test_picked_frames_are_the_written_ones(tmp_path: Path, rung: str, suffix: str) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "libx264"
    path = rewrite(write_clip(tmp_path / f"a{suffix}", moving_frames(40), codec=codec), rung, tmp_path / f"b{suffix}")
    whole = pixels(path)
    for wanted in ({0}, {39}, {3, 4, 11, 30, 38}, set(range(40))):
        picked = Picked(path, wanted)
        found = {k: to_rgb(frame) for k, frame in picked}
        assert (picked.count, picked.missing, list(found)) == (40, set(), sorted(wanted))
        assert all(np.array_equal(found[k], whole[k]) for k in wanted)


def test_picking_decodes_less(tmp_path: Path) -> None:
    path = rewrite(write_clip(tmp_path / "a.mp4", moving_frames(40)), "high", tmp_path / "b.mp4")
    with av.open(str(path)) as container:
        packets = list(container.demux(video=0))
        times = sorted(packet.pts for packet in packets if packet.size)
        counting = Counting(container.streams.video[0].codec_context)
        picker = Picker(counting, {times[5]: 5, times[20]: 20})
        assert [k for packet in packets for k, _ in picker.decode(packet)] == [5, 20]
    assert counting.count < 30


def test_what_goes_wrong_with_a_picked_frame_is_no_broken_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", moving_frames(5), codec="libx264")
    with pytest.raises(ValueError, match="broadcast"):
        _ = [to_rgb(frame) + np.zeros(5) for _, frame in Picked(path, {2})]
