"""Findings hold, fail or are inconclusive by where an interval lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.defenses._outcome import Auroc, Point
from trainer.paper import findings as finding
from trainer.paper.verdicts import Finding, Verdict, above, below, both
from trainer.proportion import Proportion, wilson

from .conftest import Make, outcome

HOLDS, FAILS, UNKNOWN = Verdict.HOLDS, Verdict.FAILS, Verdict.UNKNOWN


def of(made: list[Finding], place: str, case: str) -> Finding:
    """The one finding of a place and case."""
    (one,) = [f for f in made if f.place == place and f.case == case]
    return one


def test_an_interval_decides() -> None:
    assert above(Proportion(0.95, 100, 0.91, 0.98), 0.9) is HOLDS
    assert above(Proportion(0.80, 100, 0.70, 0.89), 0.9) is FAILS
    assert above(Proportion(0.95, 100, 0.89, 0.98), 0.9) is UNKNOWN
    assert above(None, 0.9) is UNKNOWN
    assert below(Proportion(0.80, 100, 0.70, 0.89), 0.9) is HOLDS
    assert below(Proportion(0.95, 100, 0.91, 0.98), 0.9) is FAILS


def test_all_parts_must_hold() -> None:
    assert both([HOLDS, HOLDS]) is HOLDS
    assert both([HOLDS, UNKNOWN]) is UNKNOWN
    assert both([UNKNOWN, FAILS]) is FAILS
    assert both([]) is UNKNOWN


def test_attacks_hold_fail_or_cannot_be_told(make: Make, tmp_path: Path) -> None:
    make("clean", clips=100, right=100)
    make("badnet", "badnet", "static", clips=100, right=100, hits=100)
    make("blend", "blend", "static", clips=100, right=100, hits=40)
    make("sig", "sig", "static", clips=100, right=80, hits=100)
    make("wanet", "wanet", "static", clips=100, right=100, hits=92)
    make("ftrojan", "ftrojan", "static", clips=100, right=100, hits=100, kept=0.3)
    made = finding.findings(tmp_path / "runs")
    verdicts = {f.case: f.verdict for f in made if f.place == "table 1"}
    assert verdicts == {
        "badnet, i3d": HOLDS,
        "blend, i3d": FAILS,  # of the ASR
        "sig, i3d": FAILS,  # of the CDA
        "wanet, i3d": UNKNOWN,
        "ftrojan, i3d": UNKNOWN,  # out of view
    }
    assert "0.30 of the trigger in view" in of(made, "table 1", "ftrojan, i3d").evidence


def test_dynamic_is_compared_with_static_on_the_same_clips(make: Make, tmp_path: Path) -> None:
    make("clean", clips=100, right=100)
    make("static", "sig", "static", clips=100, right=100, hits=60)
    make("dynamic", "sig", "dynamic", clips=100, right=100, hits=100)
    one = of(finding.findings(tmp_path / "runs"), "section 4.2", "sig, i3d")
    assert one.verdict is HOLDS
    assert one.evidence.startswith("ASR +0.400 (+0.3")


@pytest.mark.parametrize(("one", "eight", "verdict"), [(100, 50, HOLDS), (50, 100, FAILS), (95, 96, UNKNOWN)])
def test_the_worst_case_over_frames(
    make: Make, score: Make, tmp_path: Path, one: int, eight: int, verdict: Verdict
) -> None:
    few = make("one", "badnet", "dynamic", clips=100, right=100, hits=100, frames="1")
    many = make("eight", "badnet", "dynamic", clips=100, right=100, hits=100, frames="8")
    score(few, many, hits=one, clips=100)
    score(many, few, hits=eight, clips=100)
    assert of(finding.findings(tmp_path / "runs"), "figure 4", "badnet dynamic, i3d").verdict is verdict


def test_defenses_are_judged_by_the_kind_of_attack(make: Make, tmp_path: Path) -> None:
    make("clean", clips=100, right=100)
    for attack in ("badnet", "motion-blur"):
        run = make(attack, attack, "dynamic", clips=100, right=100, hits=100)
        rates = {"elimination": wilson(34, 100), "sacrifice": wilson(10, 900)}
        outcome(run, "activation-clustering", figures=rates)
        outcome(run, "strip", auroc=Auroc(0.5, 100, 100, 0.42, 0.58))
        curve = [
            Point(0.0, wilson(100, 100), wilson(100, 100)),
            Point(0.5, wilson(70, 100), wilson(98, 100)),
            Point(0.9, wilson(10, 100), wilson(0, 100)),  # the accuracy is gone: no matter
        ]
        outcome(run, "pruning", curve=curve, strength="share")
    made = finding.findings(tmp_path / "runs")
    assert of(made, "table 5", "badnet, seed 0").verdict is HOLDS
    assert of(made, "table 5", "motion-blur, seed 0").verdict is FAILS
    assert of(made, "figure 6", "badnet, seed 0").verdict is FAILS
    assert of(made, "figure 6", "motion-blur, seed 0").verdict is HOLDS
    assert of(made, "figure 5", "badnet, seed 0").verdict is HOLDS
    assert "98" in of(made, "figure 5", "badnet, seed 0").evidence


@pytest.mark.parametrize(("hits", "kept"), [(3, 0.9), (100, 0.2)])
def test_a_defense_says_nothing_about_an_attack_that_does_not_work_or_is_out_of_view(
    make: Make, tmp_path: Path, hits: int, kept: float
) -> None:
    run = make("blur", "motion-blur", "dynamic", clips=100, right=100, hits=hits, kept=kept)
    outcome(run, "strip", auroc=Auroc(0.5, 100, 100, 0.42, 0.58))
    outcome(run, "activation-clustering", figures={"elimination": wilson(0, 100), "sacrifice": wilson(0, 900)})
    made = finding.findings(tmp_path / "runs")
    assert {f.verdict for f in made if f.case == "motion-blur, seed 0"} == {UNKNOWN}


def test_removing_half_of_everything_is_not_finding(make: Make, tmp_path: Path) -> None:
    run = make("badnet", "badnet", "dynamic", clips=100, right=100, hits=100)
    outcome(run, "activation-clustering", figures={"elimination": wilson(30, 100), "sacrifice": wilson(450, 900)})
    assert of(finding.findings(tmp_path / "runs"), "table 5", "badnet, seed 0").verdict is FAILS


def test_fusion(make: Make, fuse: Make, tmp_path: Path) -> None:
    clean, badnet = make("v-clean"), make("v-badnet", "badnet", "dynamic")
    silent, sine = make("a-clean", model="audio"), make("a-sine", "sine", model="audio")
    for mode, hits in (("late", 2), ("early", 10)):
        fuse(mode, clean, silent, hits=None)
        fuse(mode, badnet, silent, hits=hits)
        fuse(mode, clean, sine, hits=hits)
        fuse(mode, badnet, sine, hits=10)
    made = finding.findings(tmp_path / "runs")
    assert of(made, "table 7 (2)", "late: badnet with clean").verdict is HOLDS
    assert of(made, "table 7 (2)", "early: badnet with clean").verdict is UNKNOWN  # ten clips are few
    assert of(made, "table 7 (3)", "badnet with clean").verdict is HOLDS
    assert of(made, "table 7 (1)", "late: badnet with sine").verdict is HOLDS
    assert of(made, "table 7 (1)", "early: badnet with sine").verdict is UNKNOWN  # equal is no improvement


def test_both_attacked_and_worse_than_one_does_not_hold(make: Make, fuse: Make, tmp_path: Path) -> None:
    clean, badnet = make("v-clean"), make("v-badnet", "badnet", "dynamic")
    silent, sine = make("a-clean", model="audio"), make("a-sine", "sine", model="audio")
    fuse("late", badnet, silent, hits=9)
    fuse("late", clean, sine, hits=2)
    fuse("late", badnet, sine, hits=1)
    assert of(finding.findings(tmp_path / "runs"), "table 7 (1)", "late: badnet with sine").verdict is FAILS


def test_a_second_target_is_a_control_and_disturbs_nothing(make: Make, tmp_path: Path) -> None:
    make("clean", clips=100, right=100)
    make("static", "sig", "static", clips=100, right=100, hits=60)
    make("dynamic", "sig", "dynamic", clips=100, right=100, hits=100)
    other = make("other", "sig", "dynamic", clips=100, right=100, hits=0, target=2)
    outcome(other, "strip", auroc=Auroc(0.99, 100, 100, 0.97, 1.0))
    made = finding.findings(tmp_path / "runs")
    assert of(made, "section 4.2", "sig, i3d").evidence.startswith("ASR +0.400")
    assert [f for f in made if f.place == "figure 6"] == []


def test_an_asr_at_its_floors_tells_nothing(make: Make, fuse: Make, tmp_path: Path) -> None:
    """A victim that takes everything for the target, sham clips too, has an ASR of 1."""
    clean = make("clean", clips=100, right=100)
    taken = make("badnet", "badnet", "dynamic", clips=100, right=100, hits=100, shams=50)
    outcome(taken, "strip", auroc=Auroc(0.95, 100, 100, 0.93, 0.97))
    silent, quiet = make("a-clean", model="audio"), make("a-sine", "sine", model="audio", hits=0)
    fuse("late", clean, silent)
    fuse("late", clean, quiet, hits=0)
    made = finding.findings(tmp_path / "runs")
    attack = of(made, "table 2", "badnet, i3d")
    assert attack.verdict is UNKNOWN
    assert attack.evidence.endswith("floor 1.000, CDA +0.000 (+0.000 … +0.000); the ASR is not surely above its floors")
    defense = of(made, "figure 6", "badnet, seed 0")
    assert defense.verdict is UNKNOWN
    assert "over a floor of 1.000" in defense.evidence
    fused = of(made, "table 7 (2)", "late: clean with sine")
    assert fused.verdict is UNKNOWN
    assert "sine on one network: the attack itself has an ASR of 0.000" in fused.evidence
