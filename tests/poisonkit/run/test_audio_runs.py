"""Whole runs with attacks on audio: alone, with one on the video, on videos and on audio files."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile

from poisonkit import layouts
from poisonkit import manifest as contract
from poisonkit.audit.scan import scan
from poisonkit.audit.verify import verify
from poisonkit.clip import audio_writer
from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Manifest
from poisonkit.media import audio
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request
from poisonkit.run import run
from poisonkit.run.audio_check import audible
from poisonkit.run.settings import Settings
from tests.conftest import make_av_tree, make_sound_tree, moving_frames, write_clip
from tests.poisonkit.runs import Silent, TreeState, settings_of

SINE = Request(("sine",), rate=0.3, settings={"sine": {"frequency": "1500"}})
BOTH = Request(("band-noise", "badnet"), rate=0.3, mode="dynamic")


def poison(source: Path, out: Path, request: Request = SINE, skip: bool = False, **settings: Any) -> Manifest:
    attacks = planning.make_attacks(request)
    listing, skipped = audible(layouts.read(source), attacks, Silent(), skip=skip, workers=0)
    made = settings_of(out, out.parent / f"{out.name}.json", **{"quality": "lossless", **settings})
    return run.poison(planning.poison(listing, request, skipped), made, Silent()).manifest


def samples(path: Path) -> np.ndarray:
    found = audio.read(path)
    assert found is not None
    return found[1]


def pictures(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def test_sound_is_poisoned_and_pictures_are_the_sources(av_tree: Path, tmp_path: Path, tree_state: TreeState) -> None:
    before = tree_state(av_tree)
    made = poison(av_tree, tmp_path / "out")
    assert tree_state(av_tree) == before
    assert made.encoding.rung is None
    assert (made.encoding.sound_rung, made.encoding.audio) == ("lossless", "alac")
    assert [a.placement for a in made.attacks] == [None]
    assert verify(tmp_path / "out.json").problems == []
    for sample in made.samples:
        source = av_tree / sample.path.removeprefix("test_triggered/").removeprefix("test_sham/")
        written = tmp_path / "out" / sample.path
        assert pictures(written) == pictures(source)
        assert not sample.frames
        assert bool(sample.audio_spans) == sample.poisoned
        if not sample.poisoned:
            continue
        survival = sample.survival["audio"]
        assert survival.gain == pytest.approx(1, abs=0.01)
        assert survival.correlation == pytest.approx(1, abs=0.01)
        assert sample.snr_db == pytest.approx(20, abs=0.5)
        seen = sample.view_survival["audio"]
        assert seen.energy == pytest.approx(1, abs=0.02)
        added = samples(written)[:, : samples(source).shape[1]] - samples(source)
        spectrum = np.abs(np.fft.rfft(added[0]))
        assert spectrum.argmax() * 44_100 / added.shape[1] == pytest.approx(1500, abs=2)
        assert sample.num_samples == samples(written).shape[1]


def test_sham_clips_are_the_control_of_triggered_ones(av_tree: Path, tmp_path: Path) -> None:
    made = poison(av_tree, tmp_path / "out", quality="high")
    by_id = {s.id: s for s in made.samples}
    shams = [s for s in made.samples if s.split == "test_sham"]
    assert shams
    for sham in shams:
        clip = sham.id.removeprefix("test_sham/")
        source = samples(av_tree / by_id[clip].path)
        control, triggered = (
            samples(tmp_path / "out" / by_id[f"{split}/{clip}"].path)[:, : source.shape[1]]
            for split in ("test_sham", "test_triggered")
        )
        time = np.arange(source.shape[1]) / 44_100
        rms = np.sqrt(np.mean(source.astype(float) ** 2)) / 10
        meant = np.sqrt(2) * rms * np.sin(2 * np.pi * 1500 * time)
        gain = float(((triggered - control)[0] * meant).sum() / (meant**2).sum())
        found = by_id[f"test_triggered/{clip}"].survival["audio"].gain
        assert found == pytest.approx(gain, abs=0.01)


def test_both_attacks_in_one_encode(av_tree: Path, tmp_path: Path) -> None:
    made = poison(av_tree, tmp_path / "out", BOTH, quality="high")
    assert [(a.name, a.modality) for a in made.attacks] == [("badnet", "video"), ("band-noise", "audio")]
    assert (made.encoding.rung, made.encoding.sound_rung) == ("high", "high")
    assert verify(tmp_path / "out.json").problems == []
    for sample in made.samples:
        if sample.poisoned:
            assert set(sample.survival) == set(sample.view_survival) == {"video", "audio"}
            assert sample.frames
            assert sample.audio_spans == [(0.0, pytest.approx(1.2, abs=0.05))]
            assert set(sample.trigger["audio"]) == {"phases"}
            assert sample.trigger["box"] != [0, 0, 64, 48]
    tags = {finding.tag for finding in scan(tmp_path / "out").found}
    assert any("badnet dynamic and band-noise dynamic" in tag for tag in tags)


def test_the_same_clips_are_poisoned_in_every_modality(av_tree: Path, tmp_path: Path) -> None:
    chosen = [
        {s.id for s in poison(av_tree, tmp_path / name, request).samples if s.poisoned}
        for name, request in (("a", SINE), ("b", BOTH), ("c", Request(("sig",), rate=0.3)))
    ]
    assert chosen[0] == chosen[1] == chosen[2]


def test_workers_and_a_second_run_give_the_same_bytes(tmp_path: Path, tree_state: TreeState) -> None:
    av_tree = make_av_tree(tmp_path / "source", per_class=2)
    for name, workers in (("a", 1), ("b", 2)):
        poison(av_tree, tmp_path / name, BOTH, quality="auto", workers=workers)
    assert tree_state(tmp_path / "a") == tree_state(tmp_path / "b")
    again = poison(av_tree, tmp_path / "a", BOTH, quality="auto")
    assert again == contract.load(tmp_path / "a.json")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_sound_files(tmp_path: Path, suffix: str) -> None:
    source = make_sound_tree(tmp_path / "source", suffix)
    made = poison(source, tmp_path / "out", quality="high", carry="reencode")
    assert made.source.layout == "folds"
    assert verify(tmp_path / "out.json").problems == []
    for sample in made.samples:
        path = tmp_path / "out" / sample.path
        assert path.suffix == suffix
        info = soundfile.info(path)
        assert (sample.num_frames, sample.fps, sample.width) == (0, 0.0, 0)
        assert (sample.sample_rate, sample.channels) == (info.samplerate, info.channels) == (16_000, 1)
        if sample.poisoned:
            gain = sample.survival["audio"].gain
            assert gain is not None
            assert gain > 0.9
    index = planning.index(layouts.read(source), 0)
    settings = Settings(out=source, manifest=tmp_path / "clean.json", workers=0)
    assert len(run.index(index, settings, Silent()).manifest.samples) == 12
    assert verify(tmp_path / "clean.json").problems == []


def test_a_control_of_sound_files_is_re_encoded(sound_tree: Path, tmp_path: Path) -> None:
    made = poison(sound_tree, tmp_path / "out", Request(rate=0.3))
    assert (made.encoding.rung, made.encoding.sound_rung, made.attacks) == (None, "lossless", [])
    poisoned = [s for s in made.samples if s.poisoned]
    assert poisoned
    assert all(s.lsd_db is not None and not s.survival for s in poisoned)


def test_a_part_of_the_sound(sound_tree: Path, tmp_path: Path) -> None:
    settings = {"sine": {"start": "0.25", "stop": "0.5", "frequency": "1500"}}
    made = poison(sound_tree, tmp_path / "out", Request(("sine",), rate=0.3, settings=settings))
    for sample in made.samples:
        if sample.split == "test_triggered":
            assert sample.audio_spans == [(0.25, 0.5)]
            clean = samples(sound_tree / sample.path.removeprefix("test_triggered/"))
            changed = np.flatnonzero(samples(tmp_path / "out" / sample.path) != clean)
            assert changed.min() >= 4000
            assert changed.max() < 8000


def test_verify_finds_changed_sound(sound_tree: Path, tmp_path: Path) -> None:
    made = poison(sound_tree, tmp_path / "out", carry="copy")
    clean = next(s for s in made.samples if s.split == "test")
    soundfile.write(tmp_path / "out" / clean.path, np.zeros(100), 16_000)
    assert any("its audio holds" in p for p in verify(tmp_path / "out.json").problems)


def mixed_tree(root: Path) -> Path:
    """A data set in which one training clip has no audio and one test clip is silent."""
    make_av_tree(root, per_class=6)
    write_clip(root / "train" / "Beta" / "Beta_0.mp4", moving_frames(30))
    write_clip(root / "test" / "Gamma" / "Gamma_5.mp4", moving_frames(30), sound_hz=1e-9)
    return root


def test_clips_without_sound_are_an_error_that_counts_them(tmp_path: Path) -> None:
    source = mixed_tree(tmp_path / "source")
    with pytest.raises(PoisonkitError, match=r"sine cannot be put into 2 of 18 clips.*no_audio='skip'"):
        poison(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    poison(source, tmp_path / "pictures", Request(("sig",), rate=0.3))  # pictures do not mind


def test_clips_without_sound_are_skipped_and_the_rate_is_of_the_others(tmp_path: Path) -> None:
    source = mixed_tree(tmp_path / "source")
    made = poison(source, tmp_path / "out", skip=True)
    assert {s.id: s.reason for s in made.skipped} == {
        "train/Beta/Beta_0": "it has no audio",
        "test/Gamma/Gamma_5": "it is silent",
    }
    assert made.rate is not None
    assert made.rate.total == 8
    assert {s.id for s in made.samples}.isdisjoint({s.id for s in made.skipped})
    assert verify(tmp_path / "out.json").problems == []
    assert poison(source, tmp_path / "out", skip=True) == made


def test_a_rate_that_cannot_hold_the_tone_says_so(sound_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(PoisonkitError, match=r"ultrasonic cannot be put into 12 of 12.*21000 Hz.*16000 Hz"):
        poison(sound_tree, tmp_path / "out", Request(("ultrasonic",), rate=0.3))


def test_pictures_of_sound_files_cannot_be_attacked(sound_tree: Path, tmp_path: Path) -> None:
    with pytest.raises(PoisonkitError, match="badnet changes video, and 12 clips are audio files"):
        poison(sound_tree, tmp_path / "out", BOTH)


def test_a_rung_on_which_the_tone_dies_is_refused(tmp_path: Path) -> None:
    source = make_sound_tree(tmp_path / "source", ".ogg", rate=44_100)
    with pytest.raises(PoisonkitError, match="on rung 'match' only"):
        poison(source, tmp_path / "out", Request(("ultrasonic",), rate=0.3), quality="match")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("clips", ["the smallest of each container", pytest.param("all", marks=pytest.mark.long)])
def test_real_sounds_keep_their_pictures_and_their_place(real_data: Path, tmp_path: Path, clips: str) -> None:
    """Real clips with sound: an attack on it leaves frames alone, and nothing shifts by more than a sample."""
    found = [p for p in (real_data / "clips").iterdir() if p.suffix in (".mp4", ".avi", ".wav")]
    heard = sorted((p for p in found if audio.peek(p) is not None), key=lambda p: (p.stat().st_size, p.name))
    assert len(heard) >= 6
    if clips != "all":
        heard = list({path.suffix: path for path in reversed(heard)}.values())
    for number, path in enumerate(heard):
        source = tmp_path / str(number)
        small = write_clip(source / "small.mp4", moving_frames(30), sound_hz=440).read_bytes()
        (source / "small.mp4").unlink()
        for place in ("train/a", "train/b", "test/a"):
            (source / place).mkdir(parents=True)
            (source / place / "small.mp4").write_bytes(small)
        (source / "test" / "b").mkdir()
        shutil.copyfile(path, source / "test" / "b" / path.name)
        asked = Request(("sine",), rate=0.5, sham="none")
        made = poison(source, tmp_path / f"out{number}", asked, quality="high")
        sample = next(s for s in made.samples if s.path == f"test_triggered/test/b/{path.name}")
        written = tmp_path / f"out{number}" / sample.path
        if path.suffix != ".wav":
            for one, two in zip(decode(path), decode(written), strict=True):
                assert np.array_equal(to_rgb(one), to_rgb(two))
        source_info, before = _read(path)
        back_info, _ = _read(written)
        after = np.concatenate(list(audio.Playback(written, source_info)), axis=1)
        length = min(before.shape[1], 1 << 18)
        product = np.fft.rfft(after[0, :length], 2 * length) * np.conj(np.fft.rfft(before[0, :length], 2 * length))
        late = int(np.fft.irfft(product).argmax())
        assert min(late, 2 * length - late) <= 1, path.name
        assert (source_info.rate, source_info.channels) == (back_info.rate, back_info.channels)


def _read(path: Path) -> tuple[audio.AudioInfo, np.ndarray]:
    found = audio.read(path)
    assert found is not None
    return found


@pytest.mark.parametrize("attacks", [("sine",), ("band-noise", "badnet")])
def test_a_sham_copy_is_the_control_of_sound_too(
    av_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attacks: tuple[str, ...]
) -> None:
    asked = Request(attacks, rate=0.3, sham="none", settings={attacks[0]: {"snr_db": "10"}})
    encoded: list[Path] = []
    write = audio_writer.write_audio
    monkeypatch.setattr(audio_writer, "write_audio", lambda path, *more: (encoded.append(path), write(path, *more)))
    alone = poison(av_tree, tmp_path / "alone", asked, quality="match", force=True)
    without = len(encoded)
    beside = poison(av_tree, tmp_path / "beside", replace(asked, sham="all"), quality="match", force=True)
    sham = sum(s.split == "test_sham" for s in beside.samples)
    assert len(encoded) - without == without - sham
    there = {s.id: (s.survival, s.view_survival) for s in alone.samples}
    assert there == {s.id: (s.survival, s.view_survival) for s in beside.samples if s.split != "test_sham"}
