"""Exact pixels, time stamps and sound through real containers."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from poisonkit.errors import BrokenClip
from poisonkit.media import container, video
from poisonkit.media.colour import to_rgb
from poisonkit.media.encoders import LADDER, encoder
from poisonkit.media.frame_picker import Picked
from poisonkit.media.video import count_packets, decode, examine
from poisonkit.media.writer import NewVideo, Writer
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.media.videos import ffmpeg_pixels, opencv_pixels, pixels, rewrite


@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".mov", ".mpg", ".webm"])
@pytest.mark.parametrize("size", [(48, 64), (33, 47)])
def test_lossless_gives_back_exactly_what_was_written(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    codec = {".webm": "libvpx-vp9", ".mpg": "mpeg2video"}.get(suffix, "mpeg4")
    source = write_clip(tmp_path / f"a{suffix}", moving_frames(20, *size), codec=codec)
    frames = np.random.default_rng(0).integers(0, 256, (20, *size, 3), dtype=np.uint8)
    target = rewrite(source, "lossless", tmp_path / f"b{suffix}", frames)
    for read in (pixels(target), opencv_pixels(target), ffmpeg_pixels(target, *size)):
        assert np.array_equal(read, frames)


@pytest.mark.parametrize("rung", LADDER)
@pytest.mark.parametrize("suffix", [".avi", ".mp4"])
def test_three_readers_see_the_same_pixels_on_every_rung(tmp_path: Path, rung: str, suffix: str) -> None:
    source = write_clip(tmp_path / f"a{suffix}", moving_frames(30, 48, 64))
    target = rewrite(source, rung, tmp_path / f"b{suffix}")
    ours = pixels(target)
    assert len(ours) == 30
    assert np.array_equal(ours, opencv_pixels(target))
    assert np.array_equal(ours, ffmpeg_pixels(target, 48, 64))


@pytest.mark.parametrize("rung", LADDER)
@pytest.mark.parametrize("suffix", [".avi", ".mp4", ".mkv", ".webm"])
def test_count_rate_size_and_times_stay(tmp_path: Path, rung: str, suffix: str) -> None:
    codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4"
    source = write_clip(tmp_path / f"a{suffix}", moving_frames(25, 49, 63), codec=codec, fps=30)
    before, after = examine(source), examine(rewrite(source, rung, tmp_path / f"b{suffix}"))
    assert (after.num_frames, after.width, after.height, after.fps) == (25, 63, 49, before.fps)
    times = [[float(p * info.time_base) for p in info.pts] for info in (before, after)]
    assert np.allclose(times[0], times[1], atol=1e-3)


def test_frames_before_the_beginning_are_not_counted(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_frames(20))
    info = dataclasses.replace(examine(source), time_base=Fraction(1, 25), pts=tuple(range(-3, 17)))
    path = tmp_path / "b.mp4"  # with an edit list, which leaves out what lies before 0
    writer = Writer(path, "mp4", source, "a tag", NewVideo(encoder("high", info, "mp4"), info), None)
    for picture in moving_frames(20):
        writer.write(picture)
    writer.close()
    whole, picked = pixels(path), Picked(path, {0, 9, 19})
    found = {k: to_rgb(frame) for k, frame in picked}
    assert (len(whole), picked.count, count_packets(path), picked.missing) == (17, 17, 17, {19})
    assert all(np.array_equal(frame, whole[k]) for k, frame in found.items())


def test_what_does_not_decode_is_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "empty.avi"
    empty.touch()
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    whole = write_clip(tmp_path / "whole.mp4", moving_frames(30))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[:-400])
    for path in (empty, text, cut):
        with pytest.raises(BrokenClip, match="skip_broken=True") as caught:
            examine(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mpg", "mpeg1video"), ("a.mpg", "mpeg2video"), ("a.mkv", "mpeg2video"), ("a.avi", "mpeg2video")],
)
@pytest.mark.parametrize("rung", LADDER)
def test_old_codecs_go_through_every_rung(tmp_path: Path, name: str, codec: str, rung: str) -> None:
    source = write_clip(tmp_path / name, moving_frames(30), codec=codec)
    assert len(pixels(rewrite(source, rung, tmp_path / f"b-{name}"))) == len(pixels(source)) == 30


def test_match_takes_h264_where_the_codec_cannot_hold_the_time_stamps(tmp_path: Path) -> None:
    info = examine(write_clip(tmp_path / "a.avi", moving_frames(5)))
    assert encoder("match", info, "avi").codec == "mpeg4"
    odd = dataclasses.replace(info, fps=Fraction(10_000_000, 333_333), time_base=Fraction(333_333, 10_000_000))
    assert encoder("match", odd, "avi").codec == "libx264"


def test_held_frames_are_given_as_often_as_was_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(path, moving_frames(9, 32, 48))
    once = [to_rgb(frame) for frame in decode(path)]
    for limit in (container.HELD_BYTES, 5000):  # in memory, and too long to be held
        monkeypatch.setattr(container, "HELD_BYTES", limit)
        held = video.Held(path, 2)
        video.examine(path, held)
        for _ in range(2):
            assert np.array_equal(np.stack([to_rgb(frame) for frame in held.frames()]), np.stack(once))
    monkeypatch.undo()
    held = video.Held(path, 2)
    video.examine(path, held)
    assert [len(list(held.frames())) for _ in range(3)] == [9, 9, 0]  # let go with the last
