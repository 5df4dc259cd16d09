"""What is measured about a written clip, against the same arithmetic on the files themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poisonkit.fidelity.video import measured
from poisonkit.manifest.frame_runs import from_runs
from poisonkit.plan.request import Request
from poisonkit.triggers import PixelTrigger, find
from tests.conftest import moving_frames
from tests.poisonkit.runs import pixels, poison


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
    from tests.conftest import make_ucf_tree, write_lossless

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
