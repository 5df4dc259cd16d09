"""The weakest trigger that a victim's input still holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.errors import PoisonkitError
from poisonkit.plan.request import Request
from poisonkit.triggers import TRIGGERS
from poisonkit.tune import _least, tune
from tests.conftest import make_sound_tree
from tests.poisonkit.runs import Silent


@pytest.mark.parametrize("threshold", [0.0123, 0.3, 0.99])
def test_the_search_finds_the_threshold(threshold: float) -> None:
    found = _least(lambda value: value >= threshold, 0.01, 1.0, whole=False)
    assert found is not None
    assert threshold <= found <= 1.05 * threshold
    assert _least(lambda value: value > 2, 0.01, 1.0, whole=False) is None
    assert _least(lambda value: value >= 5, 1, 100, whole=True) == 5


def test_the_least_stripes_that_survive(ucf_tree: Path) -> None:
    found = tune(layouts.read(ucf_tree), Request(("sig",)), "match", (48, 48), Silent(), workers=0)
    assert found.parameter == "delta"
    assert found.best is not None
    assert 1 <= found.best.value < 20
    assert found.best.view is not None
    assert found.best.view >= 0.5
    weaker = [one for one in found.tried if one.value < found.best.value]
    assert all(one.view is None or one.view < 0.5 for one in weaker)
    strengths = [one.strength for one in found.tried]
    assert strengths == sorted(strengths)


def test_a_tone_above_the_victims_hearing_never_passes(tmp_path: Path) -> None:
    source = make_sound_tree(tmp_path / "source", rate=44_100)
    heard = tune(layouts.read(source), Request(("sine",)), "match", (64, 64), Silent(), workers=0)
    assert heard.best is not None
    assert heard.best.value < 0.01
    above = tune(layouts.read(source), Request(("ultrasonic",)), "match", (64, 64), Silent(), workers=0)
    assert above.best is None


def test_one_attack_at_a_time(ucf_tree: Path) -> None:
    with pytest.raises(PoisonkitError, match="0 attacks cannot be tuned"):
        tune(layouts.read(ucf_tree), Request(), "high", (64, 64), Silent(), workers=0)


def test_every_trigger_says_what_makes_it_stronger() -> None:
    for name, kind in TRIGGERS.items():
        tuned = [field for field in kind.fields() if field.metadata["tuned"]]
        assert len(tuned) == 1, name
        assert tuned[0].metadata["high"] is not None
