"""Picked frames are those that decoding everything gives, whatever was left out on the way to them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import write_clip
from trainer.data import decode
from trainer.errors import ClipError

COUNT = 72


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One noisy moving scene in several codecs, containers and orders of frames."""
    folder = tmp_path_factory.mktemp("clips")
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (64, 160, 3)).astype(np.uint8)
    frames = np.stack([np.roll(scene, 2 * k, axis=1)[:, :96] for k in range(COUNT)])
    h264 = {
        "pyramid": {"bf": "3", "g": "24", "b-pyramid": "normal"},
        "one group": {"bf": "3", "g": "250"},
        "open groups": {"bf": "3", "x264-params": "open-gop=1:keyint=12:scenecut=0"},
        "no b": {"bf": "0", "g": "12"},
        "refresh": {"x264-params": "intra-refresh=1:keyint=20:bframes=2"},
    }
    made = {name: write_clip(folder / f"{name}.mp4", frames, codec="libx264", options=o) for name, o in h264.items()}
    made["matroska"] = write_clip(folder / "m.mkv", frames, codec="libx264", options={"bf": "3", "g": "24"})
    made["avi"] = write_clip(folder / "a.avi", frames, codec="libx264", options={"bf": "3", "g": "24"})
    made["mpeg4"] = write_clip(folder / "p.avi", frames)
    return made


def picked(path: Path, count: int, short_side: int, wanted: set[int]) -> dict[int, np.ndarray] | None:
    """What is picked of a file, None where it has to be decoded whole."""
    with decode.open_media(path) as container:
        if not decode._says_when(container, path):
            return None
        return decode._picked(container, count, short_side, wanted)


NAMES = ("pyramid", "one group", "open groups", "no b", "refresh", "matroska", "avi", "mpeg4")


@pytest.mark.parametrize("name", NAMES)
def test_picked_frames_are_the_decoded_ones(clips: dict[str, Path], name: str) -> None:
    whole = decode.decode(clips[name], COUNT, 32)
    rng = np.random.default_rng(1)
    for picks in ([0], [COUNT - 1], range(30, 62, 4), [40, 3, 40, 71], range(COUNT)):
        indices = np.array(picks)
        assert np.array_equal(decode.decode(clips[name], COUNT, 32, indices), whole[indices])
    for _ in range(10):
        indices = rng.integers(0, COUNT, 6)
        assert np.array_equal(decode.decode(clips[name], COUNT, 32, indices), whole[indices])


def test_less_is_decoded(clips: dict[str, Path]) -> None:
    """Of three groups of 24 frames only the last is looked at, and there not every frame."""
    assert picked(clips["pyramid"], COUNT, 32, {60, 64}) is not None
    with av.open(str(clips["pyramid"])) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    times = sorted(packet.pts for packet in packets if packet.pts is not None)
    needed = decode._needed(packets, {times[60], times[64]})
    assert len(needed) == 24 + 1
    assert {packet.pts for packet, skip in needed if packet and skip == "DEFAULT"} == {times[60], times[64]}
    assert needed[-1] == (None, "DEFAULT")


def test_what_says_too_little_is_decoded_whole(clips: dict[str, Path]) -> None:
    """AVI does not say when a frame is shown, and other codecs do not say what else is predicted from it."""
    assert picked(clips["avi"], COUNT, 32, {60, 64}) is None
    assert picked(clips["mpeg4"], COUNT, 32, {60, 64}) is None


def test_other_counts_are_left_to_full_decoding(clips: dict[str, Path]) -> None:
    assert picked(clips["no b"], COUNT + 1, 32, {3}) is None
    assert picked(clips["no b"], COUNT, 32, {COUNT}) is None
    with pytest.raises(ClipError, match="holds 72 frames, its manifest says 80"):
        decode.decode(clips["no b"], 80, 32, np.array([79]))


def test_a_damaged_group_falls_back_to_full_decoding(clips: dict[str, Path], tmp_path: Path) -> None:
    """Cut off in the middle: neither way invents frames."""
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(clips["matroska"].read_bytes()[: clips["matroska"].stat().st_size // 2])
    assert picked(cut, COUNT, 32, {3, 70}) is None
    with pytest.raises(ClipError):
        decode.decode(cut, COUNT, 32, np.array([3, 70]))
