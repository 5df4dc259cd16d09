"""Pairing by id, pooling, and the bootstrap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from trainer import files
from trainer.errors import RunError
from trainer.evaluation import compare
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Metrics
from trainer.runs.metrics import Prediction, scores_of


def write_run(folder: Path, right: dict[str, bool], target: int | None = 0, triggered: int = 0) -> Path:
    """A finished run: clean clips of class 1, right or wrong, and 4 triggered, some sent to the target."""
    folder.mkdir(parents=True)
    predictions = [Prediction(k, "test", 1, 1, int(hit), (0.5, 0.5)) for k, hit in right.items()]
    for k in range(4):
        prediction = Prediction(f"test_triggered/{k}", "test_triggered", 0, 1, int(k >= triggered), (0.5, 0.5))
        predictions.append(prediction)
    values = scores_of(predictions, target)
    metrics = Metrics(
        **{name: getattr(values, name) for name in values.__struct_fields__},
        per_class={},
        views="1x1@32",
        preset="mini",
        model="i3d",
        seed=0,
        manifest=ManifestStamp("toy", "0"),
        seconds={},
        epochs=1,
        weights="none",
        target=target,
        versions={},
    )
    runs.write_predictions(folder / "predictions.csv", predictions, ["left", "right"])
    files.write_json(folder / "metrics.json", metrics)
    return folder


def test_difference_is_paired_by_id(tmp_path: Path) -> None:
    attack = write_run(tmp_path / "a", {"x": True, "y": False, "z": True, "w": False}, triggered=3)
    # another order of rows: clips are matched by id
    baseline = write_run(tmp_path / "b", {"w": True, "z": True, "y": True, "x": True})
    result = compare.compare([attack], [baseline])
    assert result.cda_difference.value == -0.5
    assert result.cda_difference.n == 4
    assert result.attack.cda is not None
    assert result.attack.cda.value == 0.5
    assert result.attack.asr is not None
    assert result.attack.asr.value == 0.75
    assert result.baseline.asr is not None
    assert result.baseline.asr.value == 0


def test_equal_predictions_have_no_interval(tmp_path: Path) -> None:
    right = {str(k): k % 3 > 0 for k in range(30)}
    attack, baseline = write_run(tmp_path / "a", right), write_run(tmp_path / "b", right)
    difference = compare.compare([attack], [baseline]).cda_difference
    # unpaired, the interval of two accuracies of 0.67 on 30 clips would be ± 0.24
    assert (difference.value, difference.low, difference.high) == (0, 0, 0)


def test_bootstrap_matches_the_normal_interval() -> None:
    clips = [[1.0]] * 40 + [[-1.0]] * 60 + [[0.0]] * 300
    result = compare.bootstrap(clips)
    values = np.concatenate(clips)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert result.value == pytest.approx(-0.05)
    assert result.low == pytest.approx(-0.05 - half, abs=0.004)
    assert result.high == pytest.approx(-0.05 + half, abs=0.004)
    assert compare.bootstrap(clips) == result


def test_seeds_of_one_clip_are_resampled_together() -> None:
    once = compare.bootstrap([[1.0], [0.0], [-1.0], [1.0]] * 5)
    thrice = compare.bootstrap([[1.0] * 3, [0.0] * 3, [-1.0] * 3, [1.0] * 3] * 5)
    assert thrice.n == 3 * once.n
    assert (thrice.value, thrice.low, thrice.high) == (once.value, once.low, once.high)


def test_pairs_are_pooled(tmp_path: Path) -> None:
    attacks = [
        write_run(tmp_path / "a1", {"x": True}, triggered=4),
        write_run(tmp_path / "a2", {"y": False}, triggered=2),
    ]
    baselines = [write_run(tmp_path / "b1", {"x": True}), write_run(tmp_path / "b2", {"y": True})]
    result = compare.compare(attacks, baselines)
    assert result.cda_difference.value == -0.5
    assert result.attack.asr is not None
    assert (result.attack.asr.value, result.attack.asr.n) == (6 / 8, 8)
    pooled = compare.pool(attacks).figures
    assert pooled == result.attack
    assert pooled.cda is not None
    assert (pooled.cda.value, pooled.cda.n) == (0.5, 2)


def test_other_clips_cannot_be_paired(tmp_path: Path) -> None:
    attack, baseline = (
        write_run(tmp_path / "a", {"x": True, "y": True}),
        write_run(tmp_path / "b", {"x": True}),
    )
    with pytest.raises(RunError, match="1 clean test clips are not in both, such as 'y'"):
        compare.compare([attack], [baseline])
    with pytest.raises(RunError, match="2 runs and 1 baseline are no pairs"):
        compare.compare([attack, attack], [baseline])


def test_other_targets_cannot_be_pooled(tmp_path: Path) -> None:
    a, b = write_run(tmp_path / "a", {"x": True}, target=0), write_run(tmp_path / "b", {"x": True}, target=1)
    with pytest.raises(RunError, match="different targets cannot be pooled"):
        compare.pool([a, b])


def test_clean_and_poisoned_baselines_pair(tmp_path: Path) -> None:
    attack, baseline = (
        write_run(tmp_path / "a", {"x": True}),
        write_run(tmp_path / "b", {"x": False}, target=None),
    )
    result = compare.compare([attack], [baseline])
    assert result.cda_difference.value == 1
    assert result.baseline.asr is None


def test_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot read .*metrics\.json"):
        compare.pool([tmp_path])


def test_a_run_is_not_pooled_with_itself(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", {"x": True})
    with pytest.raises(RunError, match="is given twice"):
        compare.pool([run, tmp_path / "." / "b" / ".." / "a"])


def test_a_clean_run_is_no_attack_on_an_attacked_baseline(tmp_path: Path) -> None:
    clean = write_run(tmp_path / "clean", {"x": True}, target=None)
    attack = write_run(tmp_path / "attack", {"x": True})
    with pytest.raises(RunError, match=f"swap them: `trainer compare {attack} {clean}`"):
        compare.compare([clean], [attack])
    assert compare.compare([attack], [clean]).cda_difference.n == 1
    assert compare.compare([clean], [clean]).cda_difference.value == 0
