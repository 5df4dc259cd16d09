"""Files that are no clips, files that name other files, and sizes beyond the limits, in every reader."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ffmpeg
import imageio_ffmpeg
import pytest

from poisonkit import manifest as contract
from poisonkit.errors import BrokenClip, ManifestError, PoisonkitError
from poisonkit.media import audio, container, video
from poisonkit.transcode import Platform
from tests.conftest import moving_frames, write_clip
from tests.reliability.test_fuzz import VALID, changed
from tests.reliability.usage import measured
from trainer import manifest as view
from trainer.data import audio_datasets, decode
from trainer.errors import ClipError, TrainerError
from trainer.report.media import read_audio

READERS: dict[str, Callable[[Path], Any]] = {
    "examine": video.examine,
    "peek": video.peek,
    "examine_sound": audio.examine,
    "read_audio": audio.read,
    "trainer": lambda path: decode.decode(path, 20, 32),
    "trainer_sound": audio_datasets.decode,
    "report": read_audio,
}
PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{0}\n#EXT-X-ENDLIST\n",
    "ffconcat": "ffconcat version 1.0\nfile '{0}'\n",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=control:{0}\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">'
    "<Period><BaseURL>{0}</BaseURL></Period></MPD>",
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_named_avi_opens_nothing_else(tmp_path: Path, kind: str, reader: str) -> None:
    secret = write_clip(tmp_path / "secret.mp4", moving_frames(20), sound_hz=300.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        for target in (secret.name, f"file:{secret}", url):
            path = tmp_path / "a.avi"
            path.write_text(PLAYLISTS[kind].format(target))
            with pytest.raises((BrokenClip, ClipError)):
                READERS[reader](path)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize("kind", PLAYLISTS)
def test_the_ffmpeg_program_opens_nothing_else_either(tmp_path: Path, kind: str) -> None:
    """`transcode` hands clips to it; PyAV refuses them before, but that is not its only fence."""
    secret = write_clip(tmp_path / "secret.mp4", moving_frames(20), sound_hz=300.0)
    for target in (secret.name, f"file:{secret}"):
        path = tmp_path / "a.avi"
        path.write_text(PLAYLISTS[kind].format(target))
        graph = ffmpeg.output(Platform(crf=28).filtered(path), str(tmp_path / "out.mp4"))
        with pytest.raises(ffmpeg.Error):
            graph.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True, overwrite_output=True)


@pytest.mark.parametrize("reader", READERS)
def test_pipes_and_devices_are_refused_at_once(tmp_path: Path, reader: str) -> None:
    os.mkfifo(tmp_path / "pipe.avi")
    (tmp_path / "zero.avi").symlink_to("/dev/zero")
    for name in ("pipe.avi", "zero.avi"):
        with pytest.raises((BrokenClip, ClipError)):
            READERS[reader](tmp_path / name)


@pytest.mark.parametrize("reader", ["examine", "peek", "examine_sound", "read_audio"])
def test_what_the_file_system_refuses_is_no_broken_clip(tmp_path: Path, reader: str) -> None:
    with pytest.raises(FileNotFoundError):
        READERS[reader](tmp_path / "gone.avi")
    loop = tmp_path / "loop.avi"
    loop.symlink_to(loop)
    with pytest.raises(OSError, match="symbolic links"):
        READERS[reader](loop)


def test_frames_and_sound_beyond_the_limits_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_clip(tmp_path / "a.mp4", moving_frames(20), sound_hz=300.0)
    found = audio.read(path)
    assert found is not None
    assert audio.examine(path) == found[0]
    monkeypatch.setattr(container, "MAX_PIXELS", 1000)
    monkeypatch.setattr(decode, "MAX_PIXELS", 1000)
    monkeypatch.setattr(audio, "MAX_VALUES", 1000)
    with pytest.raises(BrokenClip, match="64×48"):
        video.examine(path)
    with pytest.raises(ClipError, match="64×48"):
        decode.decode(path, 20, 32)
    with pytest.raises(BrokenClip, match="cut it into clips"):
        audio.read(path)


def test_a_manifest_of_two_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    with path.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(ManifestError, match="split the data set"):
        contract.load(path)
    with pytest.raises(TrainerError, match="split the data set"):
        view.load(path)


_LOAD = """
import sys
from pathlib import Path
import msgspec, poisonkit.manifest, trainer.manifest
from poisonkit.errors import ManifestError as A
from trainer.errors import ManifestError as B
if sys.argv[2] != "idle":
    for load, refused in ((poisonkit.manifest.load, A), (trainer.manifest.load, B)):
        try:
            load(Path(sys.argv[1]))
        except refused:
            pass
"""


@pytest.mark.parametrize("place", [("name",), ("samples", 0, "path"), ("trigger",), ("schema",)], ids=str)
def test_a_long_string_takes_a_few_times_its_size(tmp_path: Path, place: tuple[Any, ...]) -> None:
    """So that the 1 GiB that a manifest may have cannot take more than four and a half."""
    megabytes = 64
    path = tmp_path / "m.json"
    made = changed(place, "HERE") if len(place) > 1 else {**VALID, place[0]: "HERE"}
    path.write_text(json.dumps(made).replace("HERE", "x" * (megabytes << 20)))
    used, idle = (measured("-c", _LOAD, path, what, cwd=tmp_path).megabytes for what in ("load", "idle"))
    assert used - idle < 4.5 * megabytes


def test_refusals_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.avi").write_bytes(b"")
    with pytest.raises(PoisonkitError) as caught:
        video.examine(tmp_path / "a.avi")
    assert "\n" not in str(caught.value)
    assert "; " in str(caught.value)
