"""The video of one clip, re-encoded and measured."""

from __future__ import annotations

from collections.abc import Collection
from fractions import Fraction
from pathlib import Path

import av
import pytest

from poisonkit.errors import BrokenClip
from poisonkit.media.encoders import EncoderSpec
from poisonkit.media.video import VideoInfo
from poisonkit.media.writer import Loopback
from poisonkit.plan.request import Request
from poisonkit.run import quality_trials
from tests.conftest import moving_frames
from tests.poisonkit.runs import poison


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
