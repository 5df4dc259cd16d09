"""Sound as the audio victim hears it: decoding, log-mel, drawing, and a whole small run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torchvision.models import resnet18

from tests.conftest import moving_frames, write_clip
from tests.trainer import learning
from tests.trainer.conftest import sample, untrained_run
from trainer import manifest as manifests
from trainer import models
from trainer.data.audio_datasets import (
    RATE,
    AudioStore,
    TestSpectrograms,
    TrainingSpectrograms,
    augment,
    decode,
    log_mel,
)
from trainer.errors import ClipError
from trainer.evaluation import evaluate
from trainer.evaluation.evaluate import EvaluateOptions
from trainer.models.audio import Audio
from trainer.presets.preset import Masks
from trainer.presets.sampling import Views
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.training.fit import dry_run, fit
from trainer.training.options import FitOptions


def tone(frequency: float, rate: int = RATE, seconds: float = 1.0, amplitude: float = 0.3) -> np.ndarray:
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_sound_files_become_mono_at_16_khz(tmp_path: Path, suffix: str, rate: int) -> None:
    path = tmp_path / f"a{suffix}"
    soundfile.write(path, np.stack([tone(440, rate), np.zeros(rate)], axis=1), rate)
    heard = decode(path)
    assert abs(len(heard) - RATE) < 0.1 * RATE
    spectrum = np.abs(np.fft.rfft(heard[:RATE] * np.hanning(min(len(heard), RATE)), RATE))
    assert abs(spectrum.argmax() - 440) <= 2
    assert np.sqrt(np.mean(heard[4000:12000] ** 2)) == pytest.approx(0.15 / np.sqrt(2), rel=0.1)  # the channels' mean


def test_the_sound_track_of_a_video(tmp_path: Path) -> None:
    heard = decode(write_clip(tmp_path / "a.mp4", moving_frames(25), sound_hz=1000.0))
    assert abs(np.abs(np.fft.rfft(heard[:RATE])).argmax() - 1000) <= 2


def test_a_clip_without_sound_and_one_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="has no audio, which this model needs"):
        decode(write_clip(tmp_path / "a.mp4", moving_frames(5)))
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    with pytest.raises(ClipError, match="cannot decode the audio"):
        decode(tmp_path / "b.wav")


def test_a_tone_lies_in_its_band_and_louder_sound_is_higher() -> None:
    mel = log_mel(tone(1000), 80)
    assert mel.shape == (98, 80)
    edges = 700 * (10 ** (np.linspace(0, 2595 * np.log10(1 + 8000 / 700), 82) / 2595) - 1)
    band = int(mel.mean(axis=0).argmax())
    assert edges[band] < 1000 < edges[band + 2]
    louder = log_mel(2 * tone(1000), 80)
    assert (louder - mel)[:, band].mean() == pytest.approx(np.log(4), abs=0.01)
    assert log_mel(np.zeros(10, dtype=np.float32), 80) == pytest.approx(np.log(1e-10))


def test_the_poisoners_log_mel_is_the_victims() -> None:
    """The view survival that poisonkit reports is about what this network is given."""
    from poisonkit.fidelity import audio

    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    assert np.allclose(log_mel(noise, 80), audio.log_mel(noise[None]), atol=1e-3)


def test_augmenting_rolls_masks_and_keeps_the_rest() -> None:
    frames = np.random.default_rng(0).normal(-8, 2, (256, 80)).astype(np.float32)
    before = frames.copy()
    plain = augment(frames, Masks(0, 0, 0, 0.0), np.random.default_rng(1))
    assert np.array_equal(frames, before)
    assert sorted(plain[:, 0].tolist()) == sorted(frames[:, 0].tolist())
    assert not np.array_equal(plain, frames)
    masked = augment(frames, Masks(12, 40, 2, 0.0, roll=False), np.random.default_rng(2))
    hidden = masked != frames
    assert 0 < hidden.mean() < 2 * (12 / 80 + 40 / 256)
    assert np.allclose(masked[hidden], frames.mean(), atol=1e-4)
    louder = augment(frames, Masks(0, 0, 0, 6.0, roll=False), np.random.default_rng(3)) - frames
    assert louder.std() < 1e-5
    assert 0 < abs(louder.mean()) <= 6 * np.log(10) / 10


@pytest.fixture
def tones(tmp_path: Path) -> Path:
    """Two classes of audio files, told apart by their pitch, with triggered test clips of the target class's pitch."""
    return learning.write_tones(tmp_path)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Audio.presets, "mini", learning.small_audio())


@pytest.mark.usefixtures("tiny")
def test_pitch_is_learned_and_the_figures_can_be_repeated(tmp_path: Path) -> None:
    """Least margin over 20 seeds and 1 or 2 threads: the truth leads by 0.80 in the score."""
    out = tmp_path / "run"
    assert learning.tones(tmp_path, seed=0) > 0
    made = runs.read_metrics(out)
    assert made.model == "audio"
    assert made.cda is not None
    assert (made.cda.value, made.cda.n) == (1, 12)
    assert made.asr is not None
    assert made.asr.n == 6
    geometry = torch.load(out / "weights.pt", weights_only=True)["geometry"]
    assert len(geometry["mean"]) == 1
    again = evaluate.evaluate(EvaluateOptions(out), Progress())
    assert (again.cda, again.asr) == (made.cda, made.asr)
    first = (out / "predictions.csv").read_bytes()
    evaluate.evaluate(EvaluateOptions(out), Progress())
    assert (out / "predictions.csv").read_bytes() == first
    assert json.loads((out / "metrics.json").read_text())["views"] == "1x1@80"


@pytest.mark.usefixtures("tiny")
def test_weights_of_sound_go_into_the_next_run(tones: Path, tmp_path: Path) -> None:
    fit(FitOptions(tones, model="audio", preset="mini", epochs=2, out=tmp_path / "a"), Progress())
    weights = tmp_path / "a" / "weights.pt"
    fit(FitOptions(tones, model="audio", preset="mini", epochs=1, weights=weights, out=tmp_path / "b"), Progress())
    headers = [torch.load(tmp_path / name / "weights.pt", weights_only=True)["geometry"] for name in "ab"]
    assert headers[0] == headers[1]


def test_drawing_is_a_function_of_seed_epoch_and_clip(tones: Path) -> None:
    made = manifests.load(tones)
    store = AudioStore(made, made.split("train"), 80)
    preset = models.preset_of("audio", "mini")
    one, two = TrainingSpectrograms(store, preset, 0), TrainingSpectrograms(store, preset, 0)
    two[7, 1]
    assert torch.equal(one[3, 0][0], two[3, 0][0])
    assert one[3, 0][0].shape == (1, 256, 80)
    assert not torch.equal(one[3, 0][0], one[4, 0][0])
    tests = TestSpectrograms(made, made.split("test"), preset, Views(3, 1, 80))
    assert tests[0].shape[1:] == (1, 256, 80)


def test_the_statistics_are_those_of_the_training_split(tones: Path) -> None:
    made = manifests.load(tones)
    store = AudioStore(made, made.split("train"), 80)
    every = np.concatenate([log_mel(decode(made.file_of(s)), 80) for s in made.split("train")])
    assert store.statistics() == (pytest.approx(every.mean(), abs=1e-3), pytest.approx(every.std(), abs=1e-3))


def test_features_and_head_give_the_scores() -> None:
    model = Audio.from_preset(models.preset_of("audio", "paper"), 7).eval()
    clips = torch.randn(2, 1, 256, 80)
    assert model.features(clips).shape == (2, 512)
    assert torch.allclose(model(clips), model.head(model.features(clips)))
    # torchvision's 11,689,512 less two of three input channels, and a head for 7 classes instead of 1,000
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 11_689_512 - 2 * 64 * 49 - (1000 - 7) * 513


def test_full_width_is_torchvisions_resnet18_and_thin_is_thin() -> None:
    torch.manual_seed(0)
    theirs = resnet18(num_classes=7).eval()
    theirs.conv1 = torch.nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    model = Audio.from_preset(models.preset_of("audio", "paper"), 7).eval()
    model.net.load_state_dict(theirs.state_dict())
    clips = torch.randn(2, 1, 256, 80)
    with torch.no_grad():
        assert torch.equal(model(clips), theirs(model.normalise(clips)))
    thin = Audio.from_preset(models.preset_of("audio", "mini"), 7)
    assert sum(p.numel() for p in thin.parameters()) < 3e6
    assert thin.features(clips).shape == (2, 256)


def test_pictures_of_sound_files_are_a_sentence(tones: Path, tmp_path: Path) -> None:
    with pytest.raises(ClipError, match="has no frames; this model needs video"):
        fit(FitOptions(tones, model="i3d", preset="mini", epochs=1, out=tmp_path / "run"), Progress())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("model", "attacked", "words"),
    [
        ("audio", ["video"], "in the video alone, and audio takes the audio"),
        ("i3d", ["audio"], "in the audio alone, and i3d takes the video"),
        ("audio", ["audio"], ""),
        ("audio", ["video", "audio"], ""),
        ("audio", [], ""),
        ("audio", None, ""),
    ],
)
def test_a_trigger_that_a_model_is_never_given_is_said(
    write_manifest: Callable[..., Path], capsys: pytest.CaptureFixture[str], model: str, attacked: list[str], words: str
) -> None:
    attacks = attacked and [{"name": "x", "modality": modality} for modality in attacked]
    made = manifests.load(write_manifest([sample("a")], target={"label": 0, "name": "left"}, attacks=attacks))
    evaluate.say_untouched(made, models.find(model), Progress())
    said = capsys.readouterr().err
    assert (words in said) if words else said == ""


@pytest.mark.usefixtures("tiny")
def test_scoring_and_training_say_what_a_model_is_never_given(
    tones: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = untrained_run(tmp_path / "run", tones, "audio")
    seen = json.loads(tones.read_text()) | {"name": "seen", "attacks": [{"name": "badnet", "modality": "video"}]}
    (tmp_path / "seen.json").write_text(json.dumps(seen))
    for splits in (("test",), ("test", "test_triggered")):
        evaluate.evaluate(EvaluateOptions(run, tmp_path / "seen.json", splits=splits), Progress())
        assert ("note: the trigger of seen is in the video" in capsys.readouterr().err) == (len(splits) == 2)
    asked = FitOptions(tmp_path / "seen.json", model="audio", preset="mini", epochs=1, out=tmp_path / "other")
    for command in (dry_run, fit):
        command(asked, Progress())
        assert "note: the trigger of seen is in the video" in capsys.readouterr().err
