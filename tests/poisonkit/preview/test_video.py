"""Sheets and pages of a trigger on one clip."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.plan.plan import make_attacks
from poisonkit.plan.request import Request
from poisonkit.preview.video import preview_video
from tests.conftest import moving_frames, write_lossless


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_lossless(tmp_path / "a <b>.avi", moving_frames(40, 97, 131))


def test_a_sheet_holds_clean_triggered_and_difference(clip: Path, tmp_path: Path) -> None:
    found = preview_video(clip, make_attacks(Request(("badnet",)))[0], 0, tmp_path / "new" / "sheet.png")
    assert (found.frames, found.placed, found.num_frames) == ((0, 13, 26, 39), 40, 40)
    sheet = cv2.cvtColor(cv2.imread(str(tmp_path / "new" / "sheet.png")), cv2.COLOR_BGR2RGB)[28:]
    assert sheet.shape == (4 * 97, 3 * 131, 3)
    source = moving_frames(40, 97, 131)
    clean, triggered, difference = (sheet[97 : 2 * 97, i * 131 : (i + 1) * 131].astype(int) for i in range(3))
    assert np.array_equal(clean, source[13])
    assert not np.array_equal(triggered, clean)
    assert np.array_equal(difference, np.clip(128 + found.amplified * (triggered - clean), 0, 255))


def test_a_small_change_is_amplified_and_a_large_one_is_not(clip: Path, tmp_path: Path) -> None:
    small = preview_video(
        clip, make_attacks(Request(("sig",), settings={"sig": {"delta": "5"}}))[0], 0, tmp_path / "s.png"
    )
    large = preview_video(
        clip, make_attacks(Request(("badnet",), settings={"badnet": {"patch": "0.5"}}))[0], 0, tmp_path / "l.png"
    )
    assert small.amplified >= 20
    assert large.amplified == 1
    assert small.strength < 5 < large.strength


def test_only_placed_frames_are_shown(clip: Path, tmp_path: Path) -> None:
    found = preview_video(clip, make_attacks(Request(("badnet",), frames="1", window="8x2"))[0], 0, tmp_path / "s.png")
    assert 0 < found.placed < 10
    sheet = cv2.imread(str(tmp_path / "s.png"))[28:]
    for row in range(len(found.frames)):
        clean, triggered = (sheet[row * 97 : (row + 1) * 97, i * 131 : (i + 1) * 131] for i in range(2))
        assert not np.array_equal(clean, triggered)


def test_a_page_plays_by_itself_and_escapes_names(clip: Path, tmp_path: Path) -> None:
    preview_video(clip, make_attacks(Request(("frame-lag",), mode="dynamic"))[0], 0, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "a &lt;b&gt;.avi" in page
    assert "<b>" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    videos = re.findall(r"data:video/mp4;base64,([A-Za-z0-9+/=]+)", page)
    assert len(videos) == 3
    (tmp_path / "clean.mp4").write_bytes(base64.b64decode(videos[0]))
    shown = [to_rgb(frame) for frame in decode(tmp_path / "clean.mp4")]
    assert len(shown) == 40
    assert shown[0].shape == (98, 132, 3)
    assert np.abs(shown[20][:96, :130].astype(int) - moving_frames(40, 97, 131)[20][:96, :130]).mean() < 6


def test_mistakes_leave_nothing(clip: Path, tmp_path: Path) -> None:
    attack = make_attacks(Request(("sig",)))[0]
    with pytest.raises(PoisonkitError, match=r"ends in \.png or \.html"):
        preview_video(clip, attack, 0, tmp_path / "out" / "sheet.gif")
    with pytest.raises(PoisonkitError, match="there is no file"):
        preview_video(tmp_path / "none.avi", attack, 0, tmp_path / "out" / "sheet.png")
    (tmp_path / "broken.avi").write_bytes(b"RIFF" + bytes(100))
    with pytest.raises(PoisonkitError, match="cannot be decoded"):
        preview_video(tmp_path / "broken.avi", attack, 0, tmp_path / "out" / "sheet.png")
    assert not (tmp_path / "out").exists()
