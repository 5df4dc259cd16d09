"""Test clips as a platform hands them back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from poisonkit.audit.scan import scan
from poisonkit.audit.verify import verify
from poisonkit.errors import PoisonkitError
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode, examine
from poisonkit.plan.request import Request
from poisonkit.transcode import Platform, transcode
from tests.conftest import make_av_tree, make_sound_tree, shared
from tests.poisonkit.run.test_audio_runs import BOTH, poison
from tests.poisonkit.runs import Silent, TreeState


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def make(folder: Path) -> None:
        poison(make_av_tree(folder / "source"), folder / "copy", BOTH, quality="high")

    return shared(tmp_path_factory, "audio-visual-copy", make) / "copy.json"


def test_smaller_slower_and_still_measured(copy: Path, tmp_path: Path, tree_state: TreeState) -> None:
    before = tree_state(copy.parent / "copy")
    target = tmp_path / "again.json"
    made = transcode(copy, tmp_path / "again", target, Platform(crf=20, scale=0.5, fps=12.5), Silent(), workers=0)
    assert tree_state(copy.parent / "copy") == before
    assert verify(target).problems == []
    assert set(made.splits) == {"test", "test_triggered", "test_sham"}
    assert made.rate is None
    for sample in made.samples:
        assert (sample.width, sample.height, sample.fps, sample.num_frames) == (32, 24, 12.5, 15)
        assert sample.sample_rate == (44_100 if sample.split != "test" else None)
        if sample.poisoned:
            assert sample.frames == [(0, 15, 1)]
            for modality in ("video", "audio"):
                gain = sample.survival[modality].gain  # type: ignore[index]
                assert gain is not None
                assert 0.5 < gain < 1.1
        else:
            assert not sample.survival
    assert len(scan(tmp_path / "again").found) == len(made.samples) + 1


def test_survival_falls_with_quality(copy: Path, tmp_path: Path) -> None:
    gains = []
    for crf in (10, 45):
        out = tmp_path / f"crf{crf}"
        made = transcode(copy, out, out.with_suffix(".json"), Platform(crf=crf), Silent(), workers=0)
        gains.append(np.mean([s.survival["video"].gain for s in made.samples if s.poisoned]))
        kept = [examine(out / s.path) for s in made.samples]
        assert {(i.width, i.height, i.num_frames) for i in kept} == {(64, 48, 30)}
    assert gains[0] > 0.85
    assert gains[1] < gains[0] - 0.1


def test_placed_frames_move_with_the_frame_rate(tmp_path: Path) -> None:
    source = make_av_tree(tmp_path / "source")
    request = Request(("badnet",), rate=0.3, frames="4", window="8x2")
    first = poison(source, tmp_path / "copy", request, quality="lossless")
    made = transcode(
        tmp_path / "copy.json",
        tmp_path / "again",
        tmp_path / "again.json",
        Platform(crf=1, fps=12.5),
        Silent(),
        workers=0,
    )
    by_id = {s.id: s for s in first.samples}
    for sample in made.samples:
        if sample.poisoned:
            sham = by_id.get(sample.id.replace("test_triggered/", "test_sham/"))
            if sham is None:
                continue
            triggered, control = (
                np.stack([to_rgb(f) for f in decode(tmp_path / "again" / path)]).astype(int)
                for path in (sample.path, sham.path)
            )
            changed = np.abs(triggered - control).mean(axis=(1, 2, 3)) > 1.5
            placed = np.zeros(len(changed), dtype=bool)
            for run in sample.frames:
                placed[slice(*run)] = True
            assert (changed == placed).mean() > 0.9


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"crf": 60}, "crf=60"), ({"scale": 0.0}, "scale=0.0"), ({"fps": 0.5}, "fps=0.5")],
)
def test_impossible_platforms(settings: dict[str, float], words: str) -> None:
    with pytest.raises(PoisonkitError, match=words):
        Platform(**settings)  # type: ignore[arg-type]


def test_what_cannot_be_transcoded(copy: Path, tmp_path: Path) -> None:
    platform = Platform()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(PoisonkitError, match="is not empty"):
        transcode(copy, tmp_path / "full", tmp_path / "a.json", platform, Silent(), workers=0)
    with pytest.raises(PoisonkitError, match="exists; remove it"):
        transcode(copy, tmp_path / "new", copy, platform, Silent(), workers=0)
    poison(make_sound_tree(tmp_path / "sounds"), tmp_path / "sound")
    with pytest.raises(PoisonkitError, match="is an audio file"):
        transcode(tmp_path / "sound.json", tmp_path / "new", tmp_path / "a.json", platform, Silent(), workers=0)
    assert not (tmp_path / "new").exists()
