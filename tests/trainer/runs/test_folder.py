"""Run folders: round trips, and who may write where."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.errors import RunError
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Settings
from trainer.runs.metrics import Prediction

SETTINGS = Settings(
    ManifestStamp("toy", "abc", "/x/toy.json"), "i3d", "mini", "none", 0, 5, 8, 1, 0.001, 1, "32", "d", {"torch": "2"}
)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
predictions = st.builds(
    Prediction,
    id=texts,
    split=st.sampled_from(["test", "test_triggered", "test_sham"]),
    label=st.integers(0, 2),
    true_label=st.integers(0, 2),
    prediction=st.integers(0, 2),
    scores=st.tuples(*[st.floats(0, 1, width=16)] * 3),
)


@settings(max_examples=40)
@given(st.lists(predictions, max_size=5))
def test_predictions_round_trip(tmp_path_factory: pytest.TempPathFactory, rows: list[Prediction]) -> None:
    path = tmp_path_factory.mktemp("run") / "predictions.csv"
    runs.write_predictions(path, rows, ["plain", 'with "quotes", commas', "ключ"])
    back = runs.read_predictions(path)
    assert [msgspec.structs.replace(p, scores=()) for p in back] == [
        msgspec.structs.replace(p, scores=()) for p in rows
    ]
    for p, q in zip(back, rows, strict=True):
        assert p.scores == pytest.approx(q.scores, rel=1e-8)


def test_csv_has_a_column_per_class(tmp_path: Path) -> None:
    runs.write_predictions(tmp_path / "p.csv", [Prediction("a b", "test", 1, 1, 0, (0.75, 0.25))], ["left", "right"])
    assert (tmp_path / "p.csv").read_text().splitlines() == [
        '"id","split","label","true_label","prediction","score:left","score:right"',
        '"a b","test",1,1,0,0.75,0.25',
    ]
    assert [file.name for file in tmp_path.iterdir()] == ["p.csv"]


@pytest.mark.parametrize(
    "content", ["", "id,split\nx,test\n", "id,split,label,true_label,prediction\nx,test,one,1,1\n"]
)
def test_damaged_predictions(tmp_path: Path, content: str) -> None:
    (tmp_path / "p.csv").write_text(content)
    with pytest.raises(RunError, match=r"p\.csv is damaged"):
        runs.read_predictions(tmp_path / "p.csv")


def test_settings_round_trip(tmp_path: Path) -> None:
    runs.claim(tmp_path / "run", SETTINGS)
    assert runs.read_settings(tmp_path / "run") == SETTINGS


def test_where_weights_lay_makes_no_other_run(tmp_path: Path) -> None:
    runs.claim(tmp_path, msgspec.structs.replace(SETTINGS, weights_from="/one/weights.pt"))
    runs.check(tmp_path, msgspec.structs.replace(SETTINGS, weights_from="/two/weights.pt"), resume=True)
    with pytest.raises(RunError, match="weights none instead of other"):
        runs.check(tmp_path, msgspec.structs.replace(SETTINGS, weights="other"), resume=True)


def test_runs_of_earlier_versions_are_read(tmp_path: Path) -> None:
    runs.claim(tmp_path, SETTINGS)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content.pop("weights_from") == ""
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert runs.read_settings(tmp_path) == SETTINGS


def test_unfinished_run_needs_resume(tmp_path: Path) -> None:
    runs.claim(tmp_path, SETTINGS)
    with pytest.raises(RunError, match="unfinished; go on with resume=True"):
        runs.check(tmp_path, SETTINGS, resume=False)
    runs.check(tmp_path, SETTINGS, resume=True)
    (tmp_path / "metrics.json").touch()
    runs.check(tmp_path, SETTINGS, resume=False)


def test_another_run_is_refused(tmp_path: Path) -> None:
    runs.claim(tmp_path, SETTINGS)
    other = msgspec.structs.replace(SETTINGS, seed=1, lr=0.01)
    with pytest.raises(RunError, match=r"another run \(seed 0 instead of 1, lr 0.001 instead of 0.01\)"):
        runs.check(tmp_path, other, resume=True)
    other = msgspec.structs.replace(SETTINGS, manifest=ManifestStamp("toy", "abd"))
    with pytest.raises(RunError, match="manifest 'toy' with other content"):
        runs.check(tmp_path, other, resume=True)


def test_a_moved_manifest_is_the_same(tmp_path: Path) -> None:
    runs.claim(tmp_path, SETTINGS)
    moved = msgspec.structs.replace(SETTINGS, manifest=ManifestStamp("toy", "abc", "/elsewhere/toy.json"))
    runs.check(tmp_path, moved, resume=True)


def test_foreign_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(RunError, match="is not empty and holds no run"):
        runs.check(tmp_path, SETTINGS, resume=True)


def test_newest_checkpoint(tmp_path: Path) -> None:
    assert runs.last_checkpoint(tmp_path) is None
    (tmp_path / "checkpoints").mkdir()
    for epoch in (9, 10, 2):
        (tmp_path / "checkpoints" / f"{epoch:08d}.ckpt").touch()
    found = runs.last_checkpoint(tmp_path)
    assert found is not None
    assert found.name == "00000010.ckpt"
