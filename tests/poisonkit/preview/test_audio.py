from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile

from poisonkit.errors import PoisonkitError
from poisonkit.plan.plan import make_attacks
from poisonkit.plan.request import Request
from poisonkit.preview.audio import preview_audio
from tests.conftest import moving_frames, write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.05, 32_000), 16_000)
    return tmp_path / "a.wav"


def test_the_sheet_shows_the_tone_in_the_second_and_third_spectrogram(clip: Path, tmp_path: Path) -> None:
    attack = make_attacks(Request(("sine",), settings={"sine": {"frequency": "4000", "start": "0.5"}}))[0]
    found = preview_audio(clip, attack, 0, tmp_path / "new" / "sheet.png")
    assert found.span == (1.0, 2.0)
    assert found.snr_db == pytest.approx(20, abs=0.1)
    sheet = cv2.imread(str(found.path)).astype(int)
    panels = np.split(sheet, 3, axis=1)
    changed = np.abs(panels[1] - panels[0]).sum(axis=2) > 60
    rows, columns = np.nonzero(changed[40:])
    assert abs(np.median(rows) + 40 - (34 + 180)) < 6  # 4 of 8 kHz: the middle of the height
    assert columns.min() > 62 + 200  # from the middle of the clip on
    red, blue = panels[2][..., 2], panels[2][..., 0]
    louder = (red - blue > 60)[40:380]
    assert louder[170:180, 300:480].mean() > 5 * louder[20:120].mean()


def test_a_page_holds_three_sounds_and_the_spectrograms(clip: Path, tmp_path: Path) -> None:
    attack = make_attacks(Request(("band-noise",), mode="dynamic"))[0]
    page = preview_audio(clip, attack, 0, tmp_path / "page.html").path.read_text()
    assert page.count('<audio src="data:audio/wav;base64,') == 3
    assert page.count('<img src="data:image/png;base64,') == 1
    assert "band-noise, dynamic: snr_db 20.0" in page
    assert "http" not in page.replace("http-equiv", "")


def test_a_clip_without_sound_is_refused(tmp_path: Path) -> None:
    silent = write_clip(tmp_path / "a.mp4", moving_frames(5))
    with pytest.raises(PoisonkitError, match="holds no audio that sine could change"):
        preview_audio(silent, make_attacks(Request(("sine",)))[0], 0, tmp_path / "a.png")
