"""What is opened, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.media.encoders import container_of
from poisonkit.media.video import examine
from tests.conftest import moving_frames, write_clip, write_lossless
from tests.poisonkit.media.videos import rewrite


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


def test_a_suffix_that_lies_is_a_sentence(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4", moving_frames(20), sound_hz=440.0)
    lying = source.rename(tmp_path / "a.webm")
    with pytest.raises(BrokenClip, match=r"a\.webm cannot be written with libvpx-vp9: .*skip_broken=True"):
        rewrite(lying, "high", tmp_path / "b.webm")
