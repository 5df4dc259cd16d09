"""Files as they are written."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from poisonkit.manifest import Rung
from poisonkit.media.colour import to_rgb
from poisonkit.media.encoders import container_of, encoder
from poisonkit.media.video import decode, examine
from poisonkit.media.writer import Loopback, NewVideo, Writer
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.media.videos import pixels, rewrite


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
