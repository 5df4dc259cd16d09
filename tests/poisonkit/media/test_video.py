"""Exact pixels, time stamps and sound through real containers."""

from __future__ import annotations

import dataclasses
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import pytest

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.manifest import Rung
from poisonkit.media import container, video
from poisonkit.media.colour import from_rgb, to_rgb
from poisonkit.media.encoders import LADDER, container_of, encoder
from poisonkit.media.frame_picker import Picked, Picker
from poisonkit.media.video import count_packets, decode, examine
from poisonkit.media.writer import Loopback, NewVideo, Writer
from tests.conftest import moving_frames, write_clip, write_lossless


def rewrite(source: Path, rung: str, target: Path, frames: np.ndarray | None = None) -> Path:
    info = examine(source)
    spec = encoder(rung, info, container_of(source.name))  # type: ignore[arg-type]
    writer = Writer(target, container_of(source.name), source, "a tag", NewVideo(spec, info), None)
    for i, frame in enumerate(decode(source)):
        writer.write(frame if frames is None else frames[i])
    writer.close()
    return target


def pixels(path: Path) -> np.ndarray:
    return np.stack([to_rgb(frame) for frame in decode(path)])


def opencv_pixels(path: Path) -> np.ndarray:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (step := capture.read())[0]:
        frames.append(step[1][..., ::-1])
    return np.stack(frames)


def ffmpeg_pixels(path: Path, height: int, width: int) -> np.ndarray:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-fps_mode", "passthrough"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


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


def test_variable_frame_rates_keep_their_time_stamps(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    pts = [0, 1, 2, 5, 6, 9, 10, 14]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for array, place in zip(moving_frames(8), pts, strict=True):
            frame = av.VideoFrame.from_ndarray(array, format="rgb24")
            frame.pts = place
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    before, after = examine(path), examine(rewrite(path, "high", tmp_path / "b.mp4"))
    assert [p * before.time_base for p in before.pts] == [p * after.time_base for p in after.pts]


def test_sound_is_carried_bit_for_bit(tmp_path: Path) -> None:
    def sound(path: Path) -> list[tuple[bytes, float]]:
        with av.open(str(path)) as container:
            packets = container.demux(container.streams.audio[0])
            return [(bytes(p), round(float(p.pts * p.time_base), 4)) for p in packets if p.size]

    for suffix in (".mp4", ".mkv", ".avi"):
        source = write_clip(tmp_path / f"a{suffix}", moving_frames(50), sound_hz=440.0)
        target = rewrite(source, "high", tmp_path / f"b{suffix}")
        assert len(sound(source)) > 70
        assert sound(target) == sound(source)


def test_the_file_says_that_it_is_poisoned(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".avi", ".mov", ".webm"):
        codec = "libvpx-vp9" if suffix == ".webm" else "mpeg4"
        source = write_clip(tmp_path / f"a{suffix}", moving_frames(10), codec=codec)
        with av.open(str(rewrite(source, "high", tmp_path / f"b{suffix}"))) as container:
            assert "a tag" in {k.lower(): v for k, v in container.metadata.items()}["comment"]


MATCHED = {
    ".mp4": ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp9"],
    ".mov": ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg"],
    ".mkv": ["h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "mjpeg", "vp8", "vp9"],
    ".avi": ["h264", "mpeg4", "mjpeg"],
    ".mpg": ["h264", "mpeg1video", "mpeg2video"],
    ".webm": ["vp8", "vp9"],
}
LOOPED = [("match", suffix, codec) for suffix, codecs in MATCHED.items() for codec in codecs]
LOOPED += [(rung, suffix, "h264") for rung in ("high", "near", "lossless") for suffix in MATCHED]


@pytest.mark.parametrize(("rung", "suffix", "codec"), LOOPED)
def test_the_loop_back_equals_the_written_file(tmp_path: Path, rung: Rung, suffix: str, codec: str) -> None:
    source = write_clip(tmp_path / f"a{'.mkv' if suffix == '.webm' else suffix}", moving_frames(4), codec="libx264")
    # scene cuts at a low bit rate, so that the rate control has to work
    frames = np.concatenate([moving_frames(15, 96, 128, seed) for seed in range(3)])
    frames[::5] ^= 64
    time_base = Fraction(1, 25)
    info = dataclasses.replace(examine(source), codec=codec, width=128, height=96, fps=Fraction(25), bit_rate=200_000)
    info = dataclasses.replace(info, time_base=time_base, pts=tuple(range(len(frames))), audio=())
    spec, wanted = encoder(rung, info, container_of(f"b{suffix}")), {0, 1, 6, 17, 29, 31, 44}
    writer = Writer(tmp_path / f"b{suffix}", container_of(f"b{suffix}"), source, "a tag", NewVideo(spec, info), None)
    loop = Loopback(spec, info, tmp_path / f"a{suffix}", wanted)
    looped: dict[int, av.VideoFrame] = {}
    for picture in frames:
        writer.write(picture)
        looped.update(loop.write(picture))
    looped.update(loop.flush())
    writer.close()
    written = pixels(tmp_path / f"b{suffix}")
    assert set(looped) == wanted
    assert all(np.array_equal(to_rgb(frame), written[k]) for k, frame in looped.items())


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


def test_picking_decodes_less(tmp_path: Path) -> None:
    path = rewrite(write_clip(tmp_path / "a.mp4", moving_frames(40)), "high", tmp_path / "b.mp4")
    with av.open(str(path)) as container:
        packets = list(container.demux(video=0))
        times = sorted(packet.pts for packet in packets if packet.size)
        counting = Counting(container.streams.video[0].codec_context)
        picker = Picker(counting, {times[5]: 5, times[20]: 20})
        assert [k for packet in packets for k, _ in picker.decode(packet)] == [5, 20]
    assert counting.count < 30


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


def test_what_goes_wrong_with_a_picked_frame_is_no_broken_clip(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", moving_frames(5), codec="libx264")
    with pytest.raises(ValueError, match="broadcast"):
        _ = [to_rgb(frame) + np.zeros(5) for _, frame in Picked(path, {2})]


def test_tagged_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 1  # BT.709
        for array in moving_frames(5):
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(array, format="rgb24").reformat(dst_colorspace=1, format="yuv420p")
                )
            )
        container.mux(stream.encode(None))
    before = pixels(path)
    rgb = rewrite(path, "near", tmp_path / "b.mp4", before)
    assert examine(rgb).colorspace == 1
    assert np.abs(pixels(rgb).astype(int) - before).mean() < 2


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


def test_a_playlist_does_not_open_other_files(tmp_path: Path) -> None:
    write_lossless(tmp_path / "other.mp4", moving_frames(5))
    trap = tmp_path / "trap.avi"
    for text in (
        "ffconcat version 1.0\nfile other.mp4\n",
        "#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
    ):
        trap.write_text(text)
        with pytest.raises(BrokenClip):
            examine(trap)


def test_a_container_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(PoisonkitError, match=r"\.wmv.*\.avi"):
        container_of("x/clip.wmv")


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


def test_a_suffix_that_lies_is_a_sentence(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_frames(20), sound_hz=440.0)
    lying = source.rename(tmp_path / "a.webm")
    with pytest.raises(BrokenClip, match=r"a\.webm cannot be written with libvpx-vp9: .*skip_broken=True"):
        rewrite(lying, "high", tmp_path / "b.webm")


def test_a_cut_clip_ends_its_sound_with_its_pictures(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_frames(100), sound_hz=440.0)
    info = examine(source).first(10)
    writer = Writer(tmp_path / "b.mp4", "mp4", source, "", NewVideo(encoder("high", info, "mp4"), info), None)
    for frame, _ in zip(decode(source), range(10), strict=False):
        writer.write(frame)
    writer.close()
    with av.open(str(tmp_path / "b.mp4")) as container:
        seconds = container.streams.audio[0].duration * container.streams.audio[0].time_base
    assert 0.3 < seconds < 0.5


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


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp", "yuv420p"])
@pytest.mark.parametrize("width", [48, 31])
def test_frames_made_from_rgb_share_no_memory(pix_fmt: str, width: int) -> None:
    one, other = (np.full((32, width, 3), level, np.uint8) for level in (40, 200))
    first, second = from_rgb(one, pix_fmt), from_rgb(other, pix_fmt)
    assert np.abs(to_rgb(first).astype(int) - one).max() <= 2
    assert np.abs(to_rgb(second).astype(int) - other).max() <= 2
