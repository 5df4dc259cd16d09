"""What the manifest says of a clip, from what its video and its audio are."""

from __future__ import annotations

from fractions import Fraction

import msgspec

from poisonkit.clip.sample import AudioFacts, AudioRecord, VideoFacts, VideoRecord, sample_of
from poisonkit.manifest import Survival, ViewSurvival
from poisonkit.media.audio import AudioInfo
from poisonkit.media.video import VideoInfo
from poisonkit.plan.job import Job

JOB = Job("a", "train", "a.mp4", "b.mp4", 0, 1, True, "trigger", "a")
VIDEO = VideoInfo("h264", "yuv420p", 64, 48, Fraction(30000, 1001), Fraction(1, 30), 0, tuple(range(9)), 0, 0, None, ())
AUDIO = AudioInfo("aac", "fltp", 44_100, "stereo", 2, 0, 4410)


def test_a_clip_without_a_trigger_has_its_form_alone() -> None:
    sample = sample_of(JOB, VideoFacts(VIDEO), AudioFacts(), None)
    told = msgspec.to_builtins(sample)
    assert told == {
        "id": "a",
        "path": "b.mp4",
        "split": "train",
        "label": 0,
        "true_label": 1,
        "poisoned": True,
        "num_frames": 9,
        "fps": 29.97003,
        "width": 64,
        "height": 48,
    }


def test_an_audio_file_has_no_frames() -> None:
    sample = sample_of(JOB, VideoFacts(), AudioFacts(AUDIO), "0" * 64)
    assert (sample.num_frames, sample.fps, sample.width, sample.height) == (0, 0.0, 0, 0)
    assert (sample.sample_rate, sample.channels, sample.num_samples, sample.sha256) == (44_100, 2, 4410, "0" * 64)


def test_both_triggers_stand_beside_one_another() -> None:
    video = VideoFacts(
        VIDEO,
        record=VideoRecord([(0, 8, 1)], 3, {"box": [0, 0, 64, 48]}),
        survival=Survival(1.0, 0.9, 5.0),
        view_survival=ViewSurvival("256/224", 0.8, 0.7),
    )
    audio = AudioFacts(AUDIO, AudioRecord([(0.0, 0.1)], {"phase": [0.5]}), survival=Survival(0.5, 0.4, 3.0))
    sample = sample_of(JOB, video, audio, None)
    assert sample.trigger == {"box": [0, 0, 64, 48], "audio": {"phase": [0.5]}}
    assert (sample.frames, sample.window_count, sample.audio_spans) == ([(0, 8, 1)], 3, [(0.0, 0.1)])
    assert {name: value.gain for name, value in sample.survival.items()} == {"video": 1.0, "audio": 0.5}
    assert list(sample.view_survival) == ["video"]


def test_an_audio_trigger_without_draws_is_told_too() -> None:
    sample = sample_of(JOB, VideoFacts(), AudioFacts(AUDIO, AudioRecord([(0.0, 0.1)], {})), None)
    assert sample.trigger == {"audio": {}}
