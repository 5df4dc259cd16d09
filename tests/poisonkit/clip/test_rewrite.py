"""What is measured about a written clip, against the same arithmetic on the files themselves."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from poisonkit.errors import BrokenClip
from poisonkit.fidelity.video import measured
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.media.encoders import EncoderSpec
from poisonkit.media.video import VideoInfo
from poisonkit.media.writer import Loopback
from poisonkit.plan.request import Request
from poisonkit.run import quality_trials
from poisonkit.triggers import PixelTrigger, find
from tests.conftest import moving_frames
from tests.poisonkit.run.test_run import pixels, poison


@pytest.mark.parametrize("rung", ["match", "high", "near", "lossless"])
def test_survival_follows_from_the_source_the_sham_and_the_triggered_file(
    ucf_tree: Path, tmp_path: Path, rung: str
) -> None:
    request = Request(("badnet",), rate=0.3, frames="5", window="8x2", settings={"badnet": {"patch": "0.5"}})
    made = poison(ucf_tree, tmp_path / "out", request, quality=rung)
    by_id = {sample.id: sample for sample in made.samples}
    checked = 0
    for sample in made.samples:
        sham = by_id.get(sample.id.replace("test_triggered/", "test_sham/"))
        if sample.split != "test_triggered" or sham is None:
            continue
        source = pixels(ucf_tree / sample.path.removeprefix("test_triggered/"))
        trigger = find("badnet").build("static", made.attacks[0].params)
        assert isinstance(trigger, PixelTrigger)
        placed = from_runs(sample.frames, sample.num_frames)
        drawn = {"colours": np.array(sample.trigger["colours"], dtype=np.uint8)}
        triggered = trigger(source, np.arange(len(source)), placed, drawn)
        frames = measured(placed)
        d = (triggered[frames].astype(float) - source[frames]).ravel()
        # a sham clip is the source through the same encoder, by the same way
        back = (
            pixels(tmp_path / "out" / sample.path)[frames].astype(float) - pixels(tmp_path / "out" / sham.path)[frames]
        )
        left = back.ravel()
        survival = sample.survival["video"]
        assert survival.gain == pytest.approx(left @ d / (d @ d), abs=1e-4)
        assert survival.correlation == pytest.approx(left @ d / np.sqrt((d @ d) * (left @ left)), abs=1e-4)
        assert survival.strength == pytest.approx(np.sqrt(np.mean(d * d)), abs=1e-4)
        mse = np.mean((pixels(tmp_path / "out" / sample.path)[frames].astype(float) - source[frames]) ** 2)
        assert sample.psnr_db == pytest.approx(10 * np.log10(255**2 / mse), abs=1e-3)
        checked += 1
    assert checked == 4


def test_a_still_clip_carries_no_frame_lag(tmp_path: Path) -> None:
    from tests.conftest import make_ucf_tree, moving_frames, write_lossless

    root = make_ucf_tree(tmp_path / "source")
    still = np.repeat(moving_frames(1, 48, 64), 40, axis=0)
    victim = next((root / "UCF-101" / "Beta").glob("*g04*"))
    write_lossless(victim, still)
    made = poison(root, tmp_path / "out", Request(("frame-lag",), rate=0.3), quality="near")
    sample = next(s for s in made.samples if s.split == "test_triggered" and "Beta_g04" in s.id)
    survival = sample.survival["video"]
    assert (survival.gain, survival.correlation, survival.strength) == (None, None, 0.0)


def test_lagged_frames_are_the_sources_frames(ucf_tree: Path, tmp_path: Path) -> None:
    made = poison(
        ucf_tree,
        tmp_path / "out",
        Request(("frame-lag",), rate=0.3, settings={"frame-lag": {"hold": "2"}}),
        quality="lossless",
    )
    for sample in made.samples:
        if sample.split == "test_triggered":
            source = pixels(ucf_tree / sample.path.removeprefix("test_triggered/"))
            written = pixels(tmp_path / "out" / sample.path)
            assert np.array_equal(written, source[np.arange(len(source)) // 4 * 4])


@pytest.mark.parametrize("attack", ["badnet", "ftrojan", "frame-lag", "motion-blur", "video-corruption"])
@pytest.mark.parametrize("rung", ["match", "high"])
def test_a_sham_copy_is_the_control_that_would_be_encoded(
    ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, attack: str, rung: str
) -> None:
    asked = {"attacks": (attack,), "rate": 0.1, "frames": "5", "window": "8x2"}
    alone = poison(ucf_tree, tmp_path / "alone", Request(**asked, sham="none"), quality=rung, force=True)
    encoded: list[Path] = []
    begin = Loopback.__init__

    def counted(self: Loopback, spec: EncoderSpec, info: VideoInfo, source: Path, wanted: Collection[int]) -> None:
        encoded.append(source)
        begin(self, spec, info, source, wanted)

    monkeypatch.setattr(quality_trials, "choose", lambda name, modality, *_, **__: (name, alone.encoding.trials))
    monkeypatch.setattr(Loopback, "__init__", counted)
    beside = poison(ucf_tree, tmp_path / "beside", Request(**asked, sham="all"), quality=rung, force=True)
    sham = {s.id.partition("/")[2] for s in beside.samples if s.split == "test_sham"}
    without = [s for s in beside.samples if s.poisoned and s.id.removeprefix("test_triggered/") not in sham]
    assert len(encoded) == len(without) < sum(s.poisoned for s in beside.samples)  # those alone had no other control
    there = {s.id: (s.survival, s.view_survival) for s in alone.samples}
    assert there == {s.id: (s.survival, s.view_survival) for s in beside.samples if s.split != "test_sham"}


def test_a_clip_that_begins_before_its_zero_is_a_sentence(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for label in ("a", "b"):
            for k in range(2):
                path = tmp_path / "src" / split / label / f"{label}{split}{k}.mp4"
                path.parent.mkdir(parents=True, exist_ok=True)
                # only a fragmented file keeps such times without an edit list that hides its first frames
                with av.open(str(path), "w", container_options={"movflags": "frag_keyframe+delay_moov"}) as container:
                    stream = container.add_stream("libx264", rate=25)
                    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                    for i, picture in enumerate(moving_frames(20, seed=k)):
                        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                        frame.pts, frame.time_base = i - 3, Fraction(1, 25)
                        container.mux(stream.encode(frame))
                    container.mux(stream.encode(None))
    with pytest.raises(BrokenClip, match=r"begins 0\.120 s before its time zero"):
        poison(tmp_path / "src", tmp_path / "out", Request(("badnet",), rate=0.5, window="4x1"), quality="high")
