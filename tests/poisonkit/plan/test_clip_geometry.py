"""Clips written as a victim samples them, or scaled first."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from poisonkit.audit.verify import verify
from poisonkit.clip.frame_geometry import frames_of, written
from poisonkit.errors import PoisonkitError
from poisonkit.manifest.window import Window
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode, examine
from poisonkit.plan.clip_geometry import Geometry
from poisonkit.plan.request import Request
from tests.conftest import make_av_tree, moving_frames, write_lossless
from tests.poisonkit.runs import poison


def coded_clip(path: Path, num_frames: int, size: tuple[int, int] = (32, 48)) -> Path:
    """Frame i is grey of level i + 40."""
    frames = np.broadcast_to((np.arange(num_frames) + 40)[:, None, None, None], (num_frames, *size, 3))
    return write_lossless(path, frames.astype(np.uint8))


def levels(geometry: Geometry, path: Path) -> list[int]:
    return [int(p[0, 0, 0]) - 40 for p in frames_of(geometry, decode(path), examine(path))]


@pytest.mark.parametrize(
    ("clip", "num_frames", "expected"),
    [
        ("4x2@32", 11, [2, 4, 6, 8]),
        ("4x2@32", 7, [0, 2, 4, 6]),
        ("4x2@32", 5, [0, 2, 4, 1]),
        ("3x1@32", 9, [3, 4, 5]),
        ("uniform:4@32", 8, [1, 3, 5, 7]),
        ("uniform:4@32", 3, [0, 0, 1, 2]),
    ],
)
def test_exactly_the_frames_of_one_window(tmp_path: Path, clip: str, num_frames: int, expected: list[int]) -> None:
    path = coded_clip(tmp_path / "a.avi", num_frames)
    assert levels(Geometry.parse(clip, None), path) == expected


def test_the_short_side_is_scaled_and_both_sides_are_even(tmp_path: Path) -> None:
    geometry = Geometry.parse(None, 64)
    for size, expected in (((97, 131), (64, 86)), ((131, 97), (86, 64)), ((40, 40), (64, 64))):
        path = write_lossless(tmp_path / f"{size[0]}.avi", moving_frames(3, *size))
        info = examine(path)
        assert geometry.size(info.height, info.width) == expected
        assert [p.shape[:2] for p in frames_of(geometry, decode(path), info)] == 3 * [expected]


def test_a_sampled_clip_plays_at_the_victims_rate(tmp_path: Path) -> None:
    info = written(Geometry.parse("4x2@32", None), examine(coded_clip(tmp_path / "a.avi", 20)))
    assert (info.num_frames, info.fps, info.time_base) == (4, Fraction(25, 2), Fraction(2, 25))
    uniform = written(Geometry.parse("uniform:4@32", None), examine(tmp_path / "a.avi"))
    assert uniform.fps == 5


@pytest.mark.parametrize("clip", ["32x2", "32x2@", "32@256", "32x2@8", "uniform@256", "0x2@64"])
def test_what_is_no_clip_is_refused(clip: str) -> None:
    with pytest.raises(PoisonkitError, match=r"give 16|write"):
        Geometry.parse(clip, None)


def test_two_sizes_are_refused() -> None:
    with pytest.raises(PoisonkitError, match="both give a size"):
        Geometry.parse("32x2@256", 128)


@pytest.mark.parametrize("attack", ["badnet", "frame-lag", "video-corruption"])
def test_a_copy_of_sampled_clips(ucf_tree: Path, tmp_path: Path, attack: str) -> None:
    request = Request((attack,), rate=0.3, clip="8x2@32", frames="4", window="32x2")
    made = poison(ucf_tree, tmp_path / "out", request)
    assert (made.encoding.clip, made.encoding.short_side, made.sampling) == ("8x2@32", 32, "8x1")
    assert verify(tmp_path / "manifests" / "out.json").problems == []
    for sample in made.samples:
        if sample.sha256 is None:
            assert sample.stride is None
            continue
        assert (sample.num_frames, sample.stride, min(sample.width, sample.height)) == (8, 1, 32)
        assert sum(1 for _ in decode(tmp_path / "out" / sample.path)) == 8
        if sample.poisoned:
            assert sample.window_count == 4
            assert sum(len(range(*run)) for run in sample.frames) == 4


def test_a_scaled_copy_keeps_frames_and_sound(tmp_path: Path) -> None:
    source = make_av_tree(tmp_path / "source")
    made = poison(source, tmp_path / "out", Request(("badnet",), rate=0.3, short_side=32), quality="lossless")
    for sample in made.samples:
        if sample.split == "test_triggered":
            path = tmp_path / "out" / sample.path
            info = examine(path)
            assert (info.height, info.width, info.num_frames) == (32, 42, 30)
            assert info.audio == ("aac",)
            clean = examine(source / sample.path.removeprefix("test_triggered/"))
            assert (info.fps, info.time_base, info.pts) == (clean.fps, clean.time_base, clean.pts)
            survival = sample.survival["video"]
            assert survival.gain == pytest.approx(1, abs=1e-3)
    sham = next(s for s in made.samples if s.split == "test_sham")
    original = source / sham.path.removeprefix("test_sham/")
    expected = list(frames_of(Geometry.parse(None, 32), decode(original), examine(original)))
    for one, frame in zip(expected, decode(tmp_path / "out" / sham.path), strict=True):
        assert np.array_equal(one, to_rgb(frame))


def test_sound_is_not_sampled(tmp_path: Path) -> None:
    source = make_av_tree(tmp_path / "source")
    with pytest.raises(PoisonkitError, match="without audio, which sine needs"):
        poison(source, tmp_path / "out", Request(("sine",), rate=0.3, clip="8x2@32"))
    with pytest.raises(PoisonkitError, match="scales video, and sine"):
        poison(source, tmp_path / "out", Request(("sine",), rate=0.3, short_side=32))


def test_the_middle_of_windows() -> None:
    assert Window(32, 2).middle(63).tolist() == list(range(0, 63, 2))
    assert Window(32, 2).middle(100)[0] == 18
