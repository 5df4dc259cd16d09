"""What every defense keeps to, whichever there are: one file each, found by the package."""

from __future__ import annotations

import json
import pkgutil
from pathlib import Path

import pytest

from tests.trainer.cli.test_cli import call
from trainer import defenses
from trainer.defenses import _case, _outcome
from trainer.defenses._base import Defense
from trainer.errors import RunError, TrainerError
from trainer.progress import Progress

MODULES = [m.name for m in pkgutil.iter_modules(defenses.__path__) if not m.name.startswith("_")]


@pytest.fixture(params=defenses.names())
def quick(request: pytest.FixtureRequest) -> Defense:
    """A defense that takes few clips, where it takes a number of them."""
    kind = defenses.find(request.param)
    known = {f.name for f in kind.fields()}
    return kind.build({"max_clips": "6"} if "max_clips" in known else {})


def test_each_file_is_a_defense_with_a_test() -> None:
    assert sorted(name.replace("_", "-") for name in MODULES) == defenses.names()
    folder = Path(__file__).parent
    assert [name for name in MODULES if not (folder / f"test_{name}.py").is_file()] == []


@pytest.mark.parametrize("name", defenses.names())
def test_parameters_are_described_and_checked(name: str) -> None:
    kind = defenses.find(name)
    assert kind.source
    assert kind.__doc__
    built = kind()
    assert kind.build({key: str(value) for key, value in built.params().items()}) == built
    for f in kind.fields():
        assert f.metadata["help"]
        if f.metadata["choices"]:
            bad = "nothing of the kind"
        elif f.metadata["high"] is not None:
            bad = str(int(f.metadata["high"]) + 1)
        else:
            continue
        with pytest.raises(TrainerError, match=rf"{name}\.{f.name}={bad}.* allowed: .*leave it out for"):
            kind.build({f.name: bad})


def test_the_folder_holds_what_was_found(quick: Defense, backdoored: Path) -> None:
    outcome = quick.defend(backdoored, Progress())
    folder = backdoored / "defenses" / quick.name
    assert (folder / "plot.svg").read_bytes().startswith(b"<?xml")
    assert outcome in [kept for _, kept in _outcome.of_run(backdoored)]
    assert outcome.clean_clips == 6  # a tenth of 16 is 2, for each of 3 classes
    assert outcome.parameters == quick.params()
    assert (folder / "scores.csv").is_file() == (not outcome.curve)
    assert (outcome.auroc is None) == bool(outcome.curve)
    shares = [share for share in outcome.figures.values() if share is not None]
    assert shares
    assert all(0 <= share.low <= share.value <= share.high <= 1 for share in shares)


def test_flags_and_true_labels_do_not_matter(quick: Defense, backdoored: Path) -> None:
    """With all of them blanked in the very manifest, scores, flags and repaired answers stay as they are."""

    def found() -> object:
        case = _case.of_run(backdoored)
        if blank:
            for sample in case.victim.parts[0].manifest.samples:
                sample.poisoned = False
                if sample.split == "train":
                    sample.true_label = 0
        result = quick.result(case, Progress())
        return [(s.id, s.score, s.flagged) for s in result.scores], result.curve, result.rule

    blank = False
    before = found()
    blank = True
    assert found() == before


def test_clips_reach_a_defender_without_flags_and_without_the_clean_set(backdoored: Path) -> None:
    case = _case.of_run(backdoored)
    training = case.defender(["train"], None, Progress())
    assert len(training.judged) == 48
    assert {(f.split, f.poisoned) for clip in training.judged for f in clip.files} == {("", False)}
    assert all(clip.files[0].true_label == clip.label for clip in training.judged)
    inputs = case.defender(["test", "test_triggered"], None, Progress())
    assert {clip.label for clip in inputs.judged} == {_case.UNKNOWN}
    clean = {clip.id for clip in inputs.clean}
    assert len(clean) == 6
    assert len(inputs.judged) == 42 + 28  # the clean set, its triggered copies and the target class are left out
    assert not clean & {clip.id.removeprefix("test_triggered/") for clip in inputs.judged}


def test_the_clean_set_depends_on_the_clips_alone(backdoored: Path, innocent: Path) -> None:
    one, other = (_case.of_run(run) for run in (backdoored, innocent))
    assert [clip.id for clip in one.clean] == [clip.id for clip in other.clean]
    assert sorted(clip.label for clip in one.clean) == [0, 0, 1, 1, 2, 2]


def test_unknown_names_suggest_the_nearest(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["run", "--defense", "stripp"], "there is no defense 'stripp'; did you mean 'strip'?"),
        (["run", "--defense", "strip", "--set", "strip.blend=3"], "has no parameter 'blend'; did you mean 'blends'?"),
        (["run", "--defense", "strip", "--set", "blends=3"], "--set blends=3 is not strip.PARAM=VALUE"),
        (["run", "--defense", "strip", "--set", "strip.blends=few"], "strip.blends=few is not of type int"),
    ):
        assert call(monkeypatch, "defend", *arguments) == 2
        assert words in capsys.readouterr().err


def test_the_table_fits_and_json_is_whole(
    backdoored: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    asked = ("defend", str(backdoored), "--defense", "pruning")
    assert call(monkeypatch, *asked) == 0
    shown = capsys.readouterr().out
    assert "rule: of 8 channels of the last stage" in shown
    assert max(map(len, shown.splitlines()[:-1])) <= 80
    assert shown.splitlines()[-1].endswith("defenses/pruning")
    assert call(monkeypatch, *asked, "--json") == 0
    assert json.loads(capsys.readouterr().out)["defense"] == "pruning"


def test_defenses_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "defenses") == 0
    shown = capsys.readouterr().out
    assert all(f"{name}: " in shown for name in defenses.names())
    assert call(monkeypatch, "defenses", "strip", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert list(listed) == ["strip"]
    assert listed["strip"]["parameters"]["frr"]["default"] == 0.05


def test_a_run_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"metrics\.json"):
        defenses.build("strip", []).defend(tmp_path, Progress())
