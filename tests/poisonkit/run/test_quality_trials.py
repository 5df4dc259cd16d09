"""The ladder: which rung is taken, given what the trial clips kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Survival
from poisonkit.plan.job import Context, Job
from poisonkit.run.quality_trials import TrialResult, choose, next_rung, summarise

JOB = Job("a", "train", "a.avi", "a.avi", 0, 1, True, "trigger", "a")
SHAM = Job("a", "train", "a.avi", "a.avi", 0, 1, True, "reencode", "a")
CONTEXT = Context(Path(), None, 0)


def kept(*values: float | None) -> list[TrialResult]:
    """Trial clips that keep as much, as gain and as correlation; None carries no trigger."""
    return [TrialResult(Survival(v, v, 5.0 if v is not None else 0.1), 200, 100.0) for v in values]


def choosing(
    asked: str, by_rung: dict[str, list[TrialResult]], *, force: bool = False, job: Job = JOB
) -> tuple[str, list[str]]:
    tried = []

    def run(work: Any, jobs: Sequence[Job], context: Context) -> Iterable[TrialResult]:
        tried.append(context.rungs["video"])
        return by_rung[context.rungs["video"]]

    return choose(asked, "video", [job], CONTEXT, run, force=force)[0], tried


def test_the_cheapest_rung_that_keeps_the_trigger_is_taken() -> None:
    rungs = {"match": kept(0.8, 0.99), "high": kept(0.96, 0.97), "near": kept(1.0), "lossless": kept(1.0)}
    assert choosing("auto", rungs) == ("high", ["match", "high"])


def test_nine_in_ten_clips_must_pass_and_none_may_fall_below() -> None:
    nine, eight = [0.97] * 9, [0.97] * 8
    rest = {"near": kept(1.0), "lossless": kept(1.0)}
    assert choosing("auto", {"match": kept(*eight, 0.92, 0.92), "high": kept(*nine, 0.92), **rest})[0] == "high"
    assert choosing("auto", {"match": kept(*nine, 0.89), "high": kept(1.0), **rest})[0] == "high"


def test_nothing_survives_but_in_lossless() -> None:
    rungs = {r: kept(0.02) for r in ("match", "high", "near")} | {"lossless": kept(1.0)}
    assert choosing("auto", rungs) == ("lossless", ["match", "high", "near", "lossless"])


def test_clips_that_carry_nothing_do_not_count() -> None:
    assert choosing("auto", {"match": kept(None, None, 0.99)})[0] == "match"
    assert choosing("auto", {"match": kept(None)})[0] == "match"


def test_without_a_trigger_nothing_has_to_survive() -> None:
    assert choosing("auto", {"high": [TrialResult(None, 1, 1.0)]}, job=SHAM) == ("high", ["high"])


def test_a_named_rung_that_destroys_the_trigger_is_refused_with_its_figure() -> None:
    with pytest.raises(PoisonkitError, match=r"'match' only 0\.10 .* quality='auto'"):
        choosing("match", {"match": kept(0.1, 0.02, 0.3)})
    assert choosing("match", {"match": kept(0.1, 0.02, 0.3)}, force=True)[0] == "match"
    assert choosing("match", {"match": kept(0.6, 0.02, 0.7)})[0] == "match"


def test_an_unknown_rung() -> None:
    with pytest.raises(PoisonkitError, match="'best'"):
        choosing("best", {})


def test_the_summary_by_hand() -> None:
    summary, middle = summarise(
        "high", "video", [*kept(0.96, 0.5, None), TrialResult(Survival(0.99, 0.7, 3.0), 100, 50.0)]
    )
    assert (summary.clips, summary.carrying, summary.passing) == (4, 3, 1)
    assert (summary.gain_min, summary.correlation_min, middle) == (0.5, 0.5, 0.7)
    assert (summary.bytes, summary.source_bytes) == (700, 350)


def test_the_next_rung() -> None:
    rungs = ("match", "high", "near", "lossless")
    assert [next_rung(r, "video") for r in rungs] == ["high", "near", "lossless", None]
    assert [next_rung(r, "audio") for r in ("match", "high", "lossless")] == ["high", "lossless", None]
