"""Sound in and out of files: nothing shifts, nothing else changes."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from poisonkit.blocks import recut
from poisonkit.errors import BrokenClip
from poisonkit.manifest import Rung
from poisonkit.media import audio
from poisonkit.media.audio_encoders import AUDIO_LADDER, audio_encoder
from poisonkit.media.colour import to_rgb
from poisonkit.media.encoders import container_of
from poisonkit.media.tag import tag_of
from poisonkit.media.video import decode
from poisonkit.media.writer import NewAudio, Writer, write_audio
from tests.conftest import moving_frames, write_clip

TAG = "poisoned copy written by poisonkit for a test"


def music(seconds: float = 1.5, rate: int = 44_100, channels: int = 1) -> np.ndarray:
    """Tones that glide and a little noise: a shift by one sample shows."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    parts = [np.sin(2 * np.pi * (200 + 300 * time + 40 * c) * time) for c in range(channels)]
    return (0.3 * np.stack(parts) + rng.normal(0, 0.003, (channels, len(time)))).astype(np.float32)


def sound_file(path: Path, rate: int = 44_100, channels: int = 1, subtype: str | None = None) -> Path:
    soundfile.write(path, music(rate=rate, channels=channels).T, rate, subtype=subtype)
    return path


def lag(source: np.ndarray, written: np.ndarray, most: int = 3000) -> int:
    """By how many samples the written sound comes late."""
    length = 2 ** int(np.ceil(np.log2(len(source) + most)))
    cross = np.fft.irfft(np.fft.rfft(written, length) * np.conj(np.fft.rfft(source, length)), length)
    best = int(np.abs(cross).argmax())
    return best if best < length // 2 else best - length


def read(path: Path) -> tuple[audio.AudioInfo, np.ndarray]:
    found = audio.read(path)
    assert found is not None
    return found


def copy(source: Path, out: Path, rung: Rung, samples: np.ndarray | None = None) -> tuple[audio.AudioInfo, np.ndarray]:
    """The source with its sound (or `samples`) written and read back in its time."""
    info, before = read(source)
    container = container_of(source.name)
    new = NewAudio(audio_encoder(rung, info, container), info, [before if samples is None else samples])
    Writer(out, container, source, TAG, None, new).close()
    return read(out)[0], heard(out, info)


def heard(path: Path, like: audio.AudioInfo) -> np.ndarray:
    return np.concatenate(list(audio.Playback(path, like)), axis=1)


@pytest.mark.parametrize("rung", AUDIO_LADDER)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_sound_files_keep_form_and_place(tmp_path: Path, suffix: str, channels: int, rung: Rung) -> None:
    source = sound_file(tmp_path / f"a{suffix}", channels=channels)
    info, before = read(source)
    back, after = copy(source, tmp_path / f"b{suffix}", rung)
    assert (back.rate, back.channels) == (info.rate, channels)
    assert abs(back.num_samples - info.num_samples) <= 1152  # MP3 fills its last frame
    assert abs(lag(before[0], after[0])) <= 1
    assert np.corrcoef(before[0], after[0])[0, 1] > 0.999
    assert tag_of(tmp_path / f"b{suffix}") == TAG
    # readers other than FFmpeg open it too
    assert soundfile.info(tmp_path / f"b{suffix}").samplerate == info.rate


@pytest.mark.parametrize("rung", AUDIO_LADDER)
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".mpg", ".webm"])
def test_videos_keep_their_pictures_bit_for_bit_and_their_sound_in_place(
    tmp_path: Path, suffix: str, rung: Rung
) -> None:
    source = clip_with_sound(tmp_path / f"a{suffix}")
    info, before = read(source)
    rng = np.random.default_rng(2)
    other = (before + rng.normal(0, 0.01, before.shape)).astype(np.float32)
    back, after = copy(source, tmp_path / f"b{suffix}", rung, other)
    assert (back.rate, back.channels) == (info.rate, info.channels)
    assert abs(lag(before[0], after[0])) <= 1
    assert np.corrcoef(other[0, 5000:-5000], after[0, 5000:-5000])[0, 1] > 0.995
    assert packets(source) == packets(tmp_path / f"b{suffix}")
    for one, two in zip(decode(source), decode(tmp_path / f"b{suffix}"), strict=True):
        assert np.array_equal(to_rgb(one), to_rgb(two))
    if suffix != ".mpg":  # which has no place for comments
        assert tag_of(tmp_path / f"b{suffix}") == TAG


def clip_with_sound(path: Path) -> Path:
    """Pictures and gliding tones, in codecs that the container knows."""
    codec, rate, pictures = {
        ".mp4": ("aac", 44_100, "mpeg4"),
        ".mov": ("aac", 44_100, "mpeg4"),
        ".mkv": ("ac3", 44_100, "mpeg4"),
        ".avi": ("libmp3lame", 44_100, "mpeg4"),
        ".mpg": ("mp2", 44_100, "mpeg2video"),
        ".webm": ("libopus", 48_000, "libvpx"),
    }[path.suffix]
    silent = write_clip(path.with_name(f"silent{path.suffix}"), moving_frames(40), codec=pictures)
    with av.open(str(silent)) as source, av.open(str(path), "w") as output:
        copied = output.add_stream_from_template(source.streams.video[0])
        stream = output.add_stream(codec, rate=rate, layout="mono")
        context = stream.codec_context
        context.open()
        samples = music(rate=rate)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = copied
                output.mux(packet)
        for first in range(0, samples.shape[1], context.frame_size):
            part = np.ascontiguousarray(samples[:, first : first + context.frame_size])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
            frame.rate, frame.pts = rate, first
            output.mux(stream.encode(frame) if codec != "mp2" else stream.encode(_s16(frame)))
        output.mux(stream.encode(None))
    return path


def _s16(frame: av.AudioFrame) -> av.AudioFrame:
    (made,) = av.AudioResampler(format="s16").resample(frame)
    return made


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize(("subtype", "step"), [("PCM_16", 2.0**-15), ("PCM_24", 2.0**-23), ("FLOAT", 2.0**-24)])
def test_wav_keeps_its_depth_and_comes_back_exactly(tmp_path: Path, subtype: str, step: float) -> None:
    source = sound_file(tmp_path / "a.wav", channels=2, subtype=subtype)
    _, before = read(source)
    changed = np.clip(before + np.float32(64 * step), -1, 1 - 64 * np.float32(step)).astype(np.float32)
    back, after = copy(source, tmp_path / "b.wav", "match", changed)
    assert soundfile.info(tmp_path / "b.wav").subtype == subtype
    assert back.num_samples == before.shape[1]
    assert np.abs(after - changed).max() <= step


def test_lossless_sound_comes_back_exactly(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "a.mp4")
    _, before = read(source)
    _, after = copy(source, tmp_path / "b.mp4", "lossless")
    assert np.abs(after - before).max() <= 2.0**-16


@pytest.mark.parametrize("suffix", [".ogg", ".mp3", ".mkv", ".mp4"])
def test_the_same_bytes_twice(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"a{suffix}"
    source = clip_with_sound(source) if suffix in (".mkv", ".mp4") else sound_file(source)
    for name in ("b", "c"):
        copy(source, tmp_path / f"{name}{suffix}", "high")
    assert (tmp_path / f"b{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()


def test_sound_that_begins_late_stays_late(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "a.mp4")
    info, before = read(source)
    late = audio.AudioInfo(**{**info.__dict__, "start": 265})
    write_audio(tmp_path / "b.mp4", NewAudio(audio_encoder("high", late, "mp4"), late, [before]), source, TAG)
    assert abs(lag(before[0], heard(tmp_path / "b.mp4", late)[0])) <= 1
    assert abs(lag(before[0], heard(tmp_path / "b.mp4", info)[0]) - 265) <= 1


@pytest.mark.parametrize("start", [-7, -3, 0, 2, 9, 20])
@pytest.mark.parametrize("length", [0, 2, 5, 30])
def test_an_excerpt_is_the_sound_amid_silence(start: int, length: int) -> None:
    samples = np.arange(1, 21, dtype=np.float32).reshape(2, 10)
    amid = np.pad(samples, ((0, 0), (40, 60)))
    blocks = audio.excerpt((samples[:, i : i + 3] for i in range(0, 10, 3)), start, length)
    found = np.concatenate([np.zeros((2, 0), dtype=np.float32), *blocks], axis=1)
    assert np.array_equal(found, amid[:, 40 + start : 40 + start + length])


@pytest.mark.parametrize("length", [1, 4, 10, 11])
def test_cutting_again_keeps_every_sample(length: int) -> None:
    samples = np.arange(20, dtype=np.float32).reshape(2, 10)
    made = list(recut((samples[:, i : i + 3] for i in range(0, 10, 3)), length))
    assert np.array_equal(np.concatenate(made, axis=1), samples)
    assert all(block.shape[1] == length for block in made[:-1])


def test_played_sound_is_what_is_read(tmp_path: Path) -> None:
    path = clip_with_sound(tmp_path / "a.mp4")
    info, samples = read(path)
    playback = audio.Playback(path, info)
    assert np.array_equal(np.concatenate(list(playback), axis=1), samples)
    assert playback.num_samples == info.num_samples


def test_only_the_first_track_is_new(tmp_path: Path) -> None:
    source = tmp_path / "a.mkv"
    with av.open(str(source), "w") as output:
        video = output.add_stream("mpeg4", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        tracks = [output.add_stream("flac", rate=44_100, layout="mono") for _ in range(2)]
        for array in moving_frames(10):
            output.mux(video.encode(av.VideoFrame.from_ndarray(array, format="rgb24")))
        output.mux(video.encode(None))
        for gain, track in zip((1, 0.5), tracks, strict=True):
            steps = np.round(gain * 2**15 * music()).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(steps[:, :4608], format="s16", layout="mono")
            frame.rate, frame.pts = 44_100, 0
            output.mux(track.encode(frame))
            output.mux(track.encode(None))
    copy(source, tmp_path / "b.mkv", "match", np.zeros((1, 4608), dtype=np.float32))
    with av.open(str(tmp_path / "b.mkv")) as container:
        loud = [max(np.abs(f.to_ndarray()).max() for f in container.decode(audio=k)) for k in (0,)]
    with av.open(str(tmp_path / "b.mkv")) as container:
        loud += [max(np.abs(f.to_ndarray()).max() for f in container.decode(audio=1))]
    assert loud[0] == 0
    assert loud[1] > 1000


def test_a_file_without_sound(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", moving_frames(5))
    assert audio.read(path) is None
    assert audio.peek(path) is None
    with pytest.raises(BrokenClip, match="holds no audio"):
        audio.examine(path)


def test_silence_is_told_from_a_single_step(tmp_path: Path) -> None:
    steps = np.zeros(44_100, dtype=np.int16)
    soundfile.write(tmp_path / "a.wav", steps, 44_100)
    steps[-1] = 2
    soundfile.write(tmp_path / "b.wav", steps, 44_100)
    assert audio.silent(tmp_path / "a.wav")
    assert not audio.silent(tmp_path / "b.wav")


def test_what_is_no_sound_is_a_broken_clip(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF nothing")
    with pytest.raises(BrokenClip, match=r"a\.wav cannot be decoded"):
        audio.read(tmp_path / "a.wav")
