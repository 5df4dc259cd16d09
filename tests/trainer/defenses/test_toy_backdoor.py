"""A backdoor planted in a small victim is found, and what is found hangs on the flags and on the plant."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.defenses.conftest import permuted
from trainer import defenses
from trainer.defenses import _auroc, _case
from trainer.defenses._outcome import Auroc
from trainer.defenses.strip import Strip
from trainer.progress import Progress
from trainer.runs import folder as runs

INSPECTIONS = ("activation-clustering", "spectral-signatures")


def test_the_toy_victim_has_a_backdoor(backdoored: Path) -> None:
    found = runs.read_metrics(backdoored)
    assert found.cda is not None
    assert found.asr is not None
    assert found.cda.value >= 0.9
    assert found.asr.value >= 0.9


@pytest.mark.parametrize("name", INSPECTIONS)
def test_poisoned_training_clips_are_found(backdoored: Path, name: str) -> None:
    result = defenses.find(name)().result(_case.of_run(backdoored), Progress())
    assert result.auroc is not None
    assert result.auroc.value >= 0.95
    assert (result.auroc.positives, result.auroc.negatives) == (10, 16)


def test_triggered_inputs_are_found(backdoored: Path) -> None:
    """At the weight at which the toy's patch, a quarter of the frame, still decides and a colour no longer does."""
    result = Strip(weight=0.7).result(_case.of_run(backdoored), Progress())
    assert result.auroc is not None
    assert result.auroc.value >= 0.95
    assert (result.auroc.positives, result.auroc.negatives) == (28, 28)  # of the other classes on both sides


def holds(auroc: Auroc | None) -> bool:
    """Whether the interval holds an even chance."""
    return auroc is not None and auroc.low <= 0.5 <= auroc.high


@pytest.mark.parametrize("name", INSPECTIONS)
def test_permuted_flags_are_not_found(backdoored: Path, name: str) -> None:
    """A 95 % interval may miss now and then: three of four must hold."""
    case = _case.of_run(backdoored)
    found = [defenses.find(name)().result(permuted(case, seed), Progress()).auroc for seed in range(4)]
    assert sum(map(holds, found)) >= 3


@pytest.mark.parametrize("name", INSPECTIONS)
def test_nothing_is_found_in_a_clean_victims_clean_clips(innocent: Path, name: str) -> None:
    """Some clips of each label are called poisoned, by lot."""
    result = defenses.find(name)().result(_case.of_run(innocent), Progress())
    assert result.auroc is None
    assert result.figures["elimination"] is None
    values, labels = np.array([s.score for s in result.scores]), [s.label for s in result.scores]
    rng = np.random.default_rng(0)
    drawn = [_auroc.within(values, rng.random(len(values)) < 0.3, labels) for _ in range(4)]
    assert sum(map(holds, drawn)) >= 3


def test_strip_finds_nothing_without_a_trigger(innocent: Path) -> None:
    result = Strip().result(_case.of_run(innocent), Progress())
    assert result.auroc is None
    assert result.figures["detection"] is None
    values = np.array([s.score for s in result.scores])
    rng = np.random.default_rng(0)
    drawn = [_auroc.within(values, rng.random(len(values)) < 0.5, [0] * len(values)) for _ in range(4)]
    assert sum(map(holds, drawn)) >= 3


def test_strip_finds_no_backdoor_where_the_victim_has_none(backdoored: Path, innocent: Path, tmp_path: Path) -> None:
    """The same triggered clips shown to a victim of clean training: what is found is the backdoor, not the patch."""
    shutil.copytree(backdoored, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "features", ignore_errors=True)
    shutil.copy(innocent / "weights.pt", tmp_path / "run" / "weights.pt")
    result = Strip(weight=0.7).result(_case.of_run(tmp_path / "run"), Progress())
    assert result.auroc is not None
    assert (result.auroc.positives, result.auroc.negatives) == (28, 28)
    assert result.auroc.value < 0.7
