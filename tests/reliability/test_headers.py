"""Headers that claim absurd sizes, and sound of many channels: read or refused, within a stated amount of memory."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import NamedTuple

import av.error
import imageio_ffmpeg
import numpy as np
import pytest

from poisonkit.errors import BrokenClip
from poisonkit.files import is_audio
from poisonkit.media import audio, video
from tests.conftest import shared
from tests.reliability import bad_media, headers
from tests.reliability.usage import measured
from trainer.data import audio_datasets

MOST_MEGABYTES = 600
"""What the readers of either program may take beyond an idle process, for all of the files together."""
# what is bigger than it is allowed to be, in its file and not in its header alone
TOO_LARGE = ("mjpeg pictures", "mjpeg both", "png pictures", "png both")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(place: Path) -> None:
        headers.make(place)
        headers.bomb(place / "bomb.avi")

    return shared(tmp_path_factory, "headers", make)


class Found(NamedTuple):
    """What came of each file in each reader, and the megabytes after absurd headers and after hours of silence."""

    outcomes: dict[str, dict[str, str]]
    headers: float
    silence: float


@pytest.fixture(scope="module")
def found(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Both in one process of its own."""

    def make(place: Path) -> None:
        (place / "silence").mkdir()
        assert headers.silence(place / "silence" / "silence.mkv").stat().st_size < 3_000_000
        measured("-m", "tests.reliability.headers", place / "found.json", folder, place / "silence", cwd=place)

    read = json.loads((shared(tmp_path_factory, "header-readings", make) / "found.json").read_text())
    return Found(read["outcomes"], *read["megabytes"])


def test_absurd_headers_take_little_memory(found: Found) -> None:
    """The pixels of `bomb.avi` alone would take 256 MB, and half a second at 1 Hz three gigabytes."""
    assert found.headers < 100
    assert len(found.outcomes) - 1 == len(headers.MADE) + 1
    for name, outcomes in found.outcomes.items():
        for reader, said in outcomes.items():
            assert "\n" not in said, (name, reader)
            assert said == "read" or "; " in said or reader == "report", (name, reader, said)
        if name.startswith(TOO_LARGE) or name == "bomb.avi":
            assert "read" not in {outcomes["examine"], outcomes["trainer"]}, name
    assert "1 samples per second" in found.outcomes["slow.wav"]["trainer_sound"]
    assert found.outcomes["a billion frames.avi"]["trainer"] == "read"
    assert found.outcomes["sixty channels.wav"]["trainer_sound"] == "read"


def test_hours_of_sound_in_a_small_file_are_refused(found: Found) -> None:
    for reader in ("read_audio", "trainer_sound"):
        assert "values that are read at once; cut it" in found.outcomes["silence.mkv"][reader]
    assert found.silence < MOST_MEGABYTES


@pytest.mark.parametrize("attack", ["badnet", "sine"])
def test_a_run_goes_on_after_absurd_headers(folder: Path, tmp_path: Path, attack: str) -> None:
    names = sorted(path.name for path in folder.iterdir())
    chosen = [name for name in names if attack == "sine" or not is_audio(name)]
    found = bad_media.outcomes(folder, tmp_path / "out", chosen, attack)
    assert set(found) == set(chosen)
    for name, outcome in found.items():
        assert outcome == "written" or ("\n" not in outcome and name in outcome), outcome
        assert "ends the process" not in outcome


def test_no_memory_for_a_header_is_a_broken_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FFmpeg's ENOMEM is the file's fault; where Python itself has none, the run has to stop."""
    path = tmp_path / "a.mp4"
    path.write_bytes(b"clip")
    for error, expected in (
        (av.error.MemoryError(12, "Cannot allocate memory", str(path)), BrokenClip),
        (MemoryError("no memory"), MemoryError),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr(av, "open", fail)
        with pytest.raises(expected) as caught:
            video.examine(path)
        assert isinstance(caught.value, BrokenClip) == (expected is BrokenClip)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "aac.mp4", "opus.mkv"])
def test_eight_channels_are_heard_and_attacked(tmp_path: Path, name: str) -> None:
    """In processes of their own: a planar frame of eight channels once ended the one that read it."""
    (tmp_path / "source").mkdir()
    tones = "|".join(f"sin({200 + 50 * k}*2*PI*t)*0.1" for k in range(8))
    line = ["-f", "lavfi", "-i", "testsrc2=size=64x48:rate=25:duration=0.8"] if not is_audio(name) else []
    line += ["-f", "lavfi", "-i", f"aevalsrc={tones}:s=48000:d=0.8:c=7.1"]
    line += {"aac.mp4": ["-c:a", "aac"], "opus.mkv": ["-c:a", "libopus"]}.get(name, [])
    path = tmp_path / "source" / name
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *line, str(path)], check=True)
    assert bad_media.outcomes(tmp_path / "source", tmp_path / "out", [name], "sine") == {name: "written"}
    written = audio.read(tmp_path / "out" / name)
    assert written is not None
    assert (written[0].channels, written[1].shape[0]) == (8, 8)
    own = audio.read(path)
    assert own is not None
    middle = slice(10_000, 20_000)
    if is_audio(name):  # lossless: each channel where it belongs
        time = np.arange(own[1].shape[1]) / 48_000
        for k in range(8):
            assert np.allclose(own[1][k, middle], 0.1 * np.sin((200 + 50 * k) * 2 * np.pi * time)[middle], atol=2e-4)
    heard = audio_datasets.decode(path)
    mean = own[1].mean(axis=0)[::3]
    assert abs(len(heard) - len(mean)) < 700  # what an encoder adds before and after
    assert np.allclose(heard[4_000:6_000], mean[4_000:6_000], atol=0.01)
