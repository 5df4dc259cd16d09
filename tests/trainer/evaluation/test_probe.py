"""The probe: its arithmetic by hand, its verdicts on constructed figures, its command on a run of real files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.conftest import untrained_run
from trainer import manifest as manifests
from trainer.errors import RunError, TrainerError
from trainer.evaluation import probe as probing
from trainer.evaluation.probe import MEANING, Fit, Verdict, feature_shift, judge
from trainer.progress import Progress
from trainer.proportion import Proportion, wilson
from trainer.runs.metrics import Scores


def rate(hits: int, n: int) -> Proportion:
    found = wilson(hits, n)
    assert found is not None
    return found


def test_the_shift_by_hand() -> None:
    clean = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0], [6.0, 1.0]])  # spread √5 along the first axis
    assert feature_shift(clean, clean + np.array([3.0, 0.0])) == pytest.approx(3 / np.sqrt(5))
    assert feature_shift(clean, clean) == 0
    assert feature_shift(clean, clean + np.array([0.0, 0.1])) == np.inf
    moved = clean + np.array([[1.0, 0], [-1.0, 0], [1.0, 0], [-1.0, 0]])  # in all directions, so in none
    assert feature_shift(clean, moved) == 0


def test_the_shift_grows_with_the_trigger_and_not_with_the_scale() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(40, 16))
    change = rng.normal(size=16)
    small, large = (feature_shift(clean, clean + strength * change) for strength in (0.1, 1.0))
    assert large == pytest.approx(10 * small)
    assert feature_shift(7 * clean, 7 * (clean + change)) == pytest.approx(large)


GOOD, BAD = Fit(rate(8, 8), 0.01), Fit(rate(1, 8), 2.0)


@pytest.mark.parametrize(
    ("kept", "shift", "fit", "asr", "floor", "verdict"),
    [
        (0.9, 5.0, GOOD, rate(30, 31), rate(1, 31), "learned"),
        (0.1, 0.1, GOOD, rate(30, 31), rate(1, 31), "learned"),  # whatever else is said
        (0.1, 5.0, GOOD, rate(2, 31), rate(1, 31), "not in view"),
        (0.9, 0.1, GOOD, rate(2, 31), rate(1, 31), "not responded to"),
        (0.9, 5.0, BAD, rate(2, 31), rate(1, 31), "not fitted"),
        (0.9, 5.0, GOOD, rate(2, 31), rate(1, 31), "memorised"),
        (0.9, None, GOOD, rate(2, 31), rate(1, 31), "memorised"),
        (None, 5.0, BAD, rate(2, 31), rate(1, 31), "not fitted"),
        (0.9, 5.0, None, rate(2, 31), rate(1, 31), "responded to"),
        (0.9, 5.0, GOOD, rate(12, 31), rate(9, 31), "memorised"),  # above the floor, but not surely
    ],
)
def test_each_case_has_its_verdict(
    kept: float | None,
    shift: float | None,
    fit: Fit | None,
    asr: Proportion,
    floor: Proportion,
    verdict: Verdict,
) -> None:
    scores = Scores(cda=None, asr=asr, asr_all=None, false_target=None, sham_asr=floor, ra=None)
    assert judge(kept, shift, fit, scores) == verdict
    assert MEANING[verdict]


def attacked(bars: Path, folder: Path) -> Path:
    """Moving bars of which some are said to carry a trigger."""
    made = json.loads(bars.read_text())
    made |= {"root": str(Path("..") / Path(bars.parent.name) / "data"), "name": "attacked"}
    made["attacks"] = [{"name": "badnet", "modality": "video", "mode": "static", "params": {}}]
    for clip in made["samples"]:  # of a triggered clip the clean one has the same name
        clip["id"] = clip["id"].removeprefix("test-")
    train = [s for s in made["samples"] if s["split"] == "train" and s["true_label"] == 1]
    train[0] |= {"label": 0, "poisoned": True}
    for clip in train[1:3]:
        name = f"train_triggered/{clip['id']}"
        made["samples"].append({**clip, "id": name, "split": "train_triggered", "label": 0, "poisoned": True})
    for clip in [s for s in made["samples"] if s["split"] == "test_triggered"]:
        clip["view_survival"] = {"video": {"view": "32/32", "energy": 0.8, "correlation": 0.9}}
    path = folder / "attacked.json"
    path.write_text(json.dumps(made))
    return path


def test_a_run_is_probed_for_its_own_trigger_and_for_another(bars: Path, tmp_path: Path) -> None:
    folder = bars.parent.parent / f"probe-{tmp_path.name}"
    folder.mkdir()
    path = attacked(bars, folder)
    run = untrained_run(tmp_path / "run", path)
    made = manifests.load(path)
    found = probing.probe(run, None, Progress())
    assert found.fit is not None
    assert found.train_triggered is not None
    assert (found.fit.targeted.n, found.train_triggered.n, found.kept) == (1, 2, 0.8)
    assert found.start_shift is None, "it started from scratch"
    assert found.asr is not None
    assert found.asr.n == sum(s.true_label == 1 for s in made.split("test_triggered"))
    other = probing.probe(untrained_run(tmp_path / "clean", bars), path, Progress())
    assert other.fit is None
    assert other.verdict in ("not responded to", "responded to")


def test_what_cannot_be_probed_is_a_sentence(bars: Path, tmp_path: Path) -> None:
    run = untrained_run(tmp_path / "run", bars)
    with pytest.raises(TrainerError, match="has no clips with a trigger; give the manifest of a poisoned copy"):
        probing.probe(run, None, Progress())
    folder = bars.parent.parent / f"probe-{tmp_path.name}"
    folder.mkdir()
    path = attacked(bars, folder)
    text = path.read_text()
    path.write_text(text.replace('"modality": "video"', '"modality": "audio"'))
    with pytest.raises(TrainerError, match="is in the audio, and the model i3d takes the video"):
        probing.probe(run, path, Progress())
    path.write_text(text.replace('["standing", "moving"]', '["standing", "walking"]'))
    with pytest.raises(RunError, match=r"knows the classes standing, moving, .* has standing, walking"):
        probing.probe(run, path, Progress())
    path.write_text(text.replace('"id": "test_triggered/', '"id": "gone/'))
    with pytest.raises(TrainerError, match="has 0 test clips of other classes with and without the trigger"):
        probing.probe(run, path, Progress())
