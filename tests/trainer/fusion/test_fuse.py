"""Fusion: which clip meets which, what is averaged, what early fusion learns, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.conftest import write_clip
from tests.trainer.conftest import moving_bar
from tests.trainer.small import small_i3d
from trainer import manifest as manifests
from trainer.cli import measure, tables
from trainer.defenses.pruning import Pruning
from trainer.defenses.strip import Strip
from trainer.errors import RunError, TrainerError
from trainer.evaluation import inference, logistic_regression
from trainer.evaluation.inference import Observed
from trainer.fusion import fuse as fusing
from trainer.fusion import run_pair, scorers
from trainer.fusion.baseline import Baseline
from trainer.fusion.grid import grid
from trainer.models.audio import Audio
from trainer.models.i3d import I3D
from trainer.presets.sampling import Uniform
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run
from trainer.runs.folder import ManifestStamp
from trainer.training import fit
from trainer.training.options import FitOptions

CLASSES = ["left", "right"]
TARGET = {"label": 0, "name": "left"}
POISONED = ("train3",)


def samples(attacked: bool, poisoned: tuple[str, ...] = POISONED) -> list[dict[str, Any]]:
    """Four training and four test clips of two classes; attacked: some relabelled, and triggered and sham copies."""
    made = []
    for split in ("train", "test"):
        for k in range(4):
            identity = f"{split}{k}"
            chosen = attacked and identity in poisoned
            made.append({"id": identity, "split": split, "label": 0 if chosen else k % 2, "poisoned": chosen})
            made[-1]["true_label"] = k % 2
    if attacked:
        for k in range(4):
            triggered = {"id": f"test_triggered/test{k}", "split": "test_triggered", "label": 0, "poisoned": True}
            made.append({**triggered, "true_label": k % 2})
        made.append({"id": "test_sham/test1", "split": "test_sham", "label": 1, "true_label": 1, "poisoned": False})
    return [{"path": f"{s['id']}.mp4", "num_frames": 20, "width": 48, "height": 32, **s} for s in made]


def quiet_grid(*arguments: Any) -> Any:
    return grid(*arguments, Progress())


@dataclass(frozen=True)
class Fake:
    """A finished run that answers from a table instead of a network."""

    folder: Path
    made: manifests.Manifest
    modality: str
    settings: Any
    metrics: Any
    preset: Any
    views: str = "1x1@32"

    @property
    def model(self) -> Any:
        return SimpleNamespace(modality=self.modality)

    @property
    def manifest(self) -> manifests.Manifest:
        return self.made


Make = Callable[..., Fake]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(name: str, modality: str, attacked: bool, poisoned: tuple[str, ...] = POISONED, **header: Any) -> Fake:
        content = {
            "schema": "poisonkit/manifest/1",
            "name": name,
            "root": "data",
            "classes": CLASSES,
            "seed": 0,
            "target": TARGET if attacked else None,
            "samples": samples(attacked, poisoned),
            **header,
        }
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(content))
        made = manifests.load(path)
        stamp = ManifestStamp(name, made.sha256, str(path))
        model = "i3d" if modality == "video" else "audio"
        metrics = SimpleNamespace(manifest=stamp, model=model, preset="mini", views="1x1@32", seed=0)
        settings = SimpleNamespace(model=model, seed=0)
        return Fake(tmp_path / name, made, modality, settings, metrics, SimpleNamespace(name="mini"))

    return build


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, str], np.ndarray]:
    """(run's folder, clip id) → logits (2,) that the fake networks answer; others are zeros."""
    table: dict[tuple[str, str], np.ndarray] = {}

    def of_run(run: Fake, split: str, progress: Progress, other: manifests.Manifest | None = None) -> Observed:
        ids = [s.id for s in (other or run.made).split(split)]
        logits = np.array([table.get((run.folder.name, identity), np.zeros(2)) for identity in ids], dtype=float)
        exp = np.exp(logits)
        return Observed(ids, logits.copy(), logits, exp / exp.sum(axis=1, keepdims=True))

    monkeypatch.setattr(inference, "of_run", of_run)
    return table


def fuse(video: Fake, audio: Fake, out: Path, mode: str = "late", average: str = "logits") -> runs.Metrics:
    return fusing.fuse(run_pair.join(video, audio), mode, average, out, Progress())[0]  # type: ignore[arg-type]


def scores(folder: Path) -> dict[str, tuple[float, ...]]:
    return {p.id: p.scores for p in runs.read_predictions(folder / "predictions.csv")}


def test_late_is_the_mean_of_logits_or_of_probabilities(make: Make, told: Any, tmp_path: Path) -> None:
    told["v", "test1"], told["a", "test1"] = np.array([4.0, 0.0]), np.array([0.0, 1.0])
    video, audio = make("v", "video", False), make("a", "audio", False)
    result = fuse(video, audio, tmp_path / "logits")
    assert scores(tmp_path / "logits")["test1"][0] == pytest.approx(1 / (1 + np.exp(-1.5)))
    assert (result.asr, result.target) == (None, None)
    assert result.cda is not None
    assert (result.cda.value, result.cda.n) == (0.25 * 2, 4)  # zeros give class 0; test1 is lost, test3 too
    fuse(video, audio, tmp_path / "mean", average="probabilities")
    first = (1 / (1 + np.exp(-4)) + 1 / (1 + np.exp(1))) / 2
    assert scores(tmp_path / "mean")["test1"][0] == pytest.approx(first)


def test_a_clean_modality_gives_its_clean_file(make: Make, told: Any, tmp_path: Path) -> None:
    """Each network answers so that only the right file yields the expected figure."""
    for k in range(4):
        told["v", f"test{k}"] = np.array([0.0, 2.0])
        told["v", f"test_triggered/test{k}"] = np.array([9.0, 0.0])
        told["a", f"test{k}"] = np.array([0.0, 3.0])
    result = fuse(make("v", "video", True), make("a", "audio", False), tmp_path / "out")
    assert result.asr is not None
    assert (result.asr.value, result.asr.n) == (1.0, 2)
    assert result.fusion is not None
    assert result.fusion.asr_video == result.asr
    assert result.fusion.asr_audio is None
    assert result.false_target is not None
    assert result.false_target.value == 0
    assert result.sham_asr is not None
    assert result.sham_asr.n == 1
    assert {p.label for p in runs.read_predictions(tmp_path / "out" / "predictions.csv") if "triggered" in p.split} == {
        0
    }
    # the other way round: pictures clean, sound triggered
    told["v2", "test1"] = told["v2", "test3"] = np.array([0.0, 2.0])
    for k in range(4):
        told["a2", f"test_triggered/test{k}"] = np.array([5.0, 0.0])
    reverse = fuse(make("v2", "video", False), make("a2", "audio", True), tmp_path / "reverse")
    assert reverse.asr is not None
    assert reverse.asr.value == 1.0
    assert reverse.fusion is not None
    assert (reverse.fusion.asr_video, reverse.fusion.asr_audio) == (None, reverse.asr)


def test_both_triggered_and_each_alone(make: Make, told: Any, tmp_path: Path) -> None:
    for k in range(4):
        told["v", f"test{k}"] = told["a", f"test{k}"] = np.array([0.0, 2.0])
        told["v", f"test_triggered/test{k}"] = np.array([1.0, 0.0])
        told["a", f"test_triggered/test{k}"] = np.array([3.0, 0.0])
    result = fuse(make("v", "video", True), make("a", "audio", True), tmp_path / "out")
    assert result.fusion is not None
    rates = (result.asr, result.fusion.asr_video, result.fusion.asr_audio)
    assert [rate and rate.value for rate in rates] == [1.0, 0.0, 1.0]


def test_a_baseline_is_scored_on_the_triggered_clips(make: Make, told: Any, tmp_path: Path) -> None:
    """The clean networks answer for the attacked files: right on clean ones, one triggered clip of two is lost."""
    for k in range(4):
        for name in ("v", "a", "w", "b"):
            told[name, f"test{k}"] = np.array([1.0 - k % 2, k % 2])
        told["v", f"test_triggered/test{k}"] = np.array([9.0 if k == 1 else 0.0, 1.0])
    clean = run_pair.join(make("v", "video", False), make("a", "audio", False))  # type: ignore[arg-type]
    fusing.fuse(clean, "late", "logits", tmp_path / "clean", Progress())
    baseline = Baseline(tmp_path / "clean", clean, scorers.Mean("logits"))
    attacked = run_pair.join(make("w", "video", True), make("b", "audio", False))  # type: ignore[arg-type]
    assert baseline.suits(attacked, "late", "logits")
    assert not baseline.suits(attacked, "late", "probabilities")
    assert not baseline.suits(attacked, "early", "logits")
    made, _ = fusing.fuse(attacked, "late", "logits", tmp_path / "attacked", Progress(), baseline)
    scored = runs.read_metrics(tmp_path / "clean" / "evaluations" / "w+b")
    assert (scored.manifest.sha256, scored.cda) == (made.manifest.sha256, None)
    assert scored.asr is not None
    assert (scored.asr.value, scored.asr.n) == (0.5, 2)
    assert runs.read_metrics(tmp_path / "clean").asr is None  # its own figures are untouched


def test_early_learns_the_union_of_the_poisoned_labels(
    make: Make, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[list[int]] = []
    fitted = logistic_regression.Linear.fitted

    def spy(features: Any, labels: np.ndarray, classes: int) -> Any:
        learned.append(labels.tolist())
        assert [part.shape for part in features] == [(4, 2), (4, 2)]
        return fitted(features, labels, classes)

    monkeypatch.setattr(logistic_regression.Linear, "fitted", spy)
    for name, k in ((n, k) for n in ("v", "a", "w", "b") for k in range(4)):
        told[name, f"train{k}"] = told[name, f"test{k}"] = np.array([1.0 - k % 2, k % 2])
    fuse(make("v", "video", False), make("a", "audio", True), tmp_path / "1", "early")
    fuse(make("w", "video", True), make("b", "audio", False), tmp_path / "2", "early")
    result = fuse(make("w", "video", True), make("a", "audio", True), tmp_path / "3", "early")
    fuse(make("v", "video", False), make("b", "audio", False), tmp_path / "4", "early")
    assert learned == [[0, 1, 0, 0]] * 3 + [[0, 1, 0, 1]]
    assert (tmp_path / "3" / "classifier.npz").is_file()
    assert result.fusion is not None
    assert (result.fusion.mode, result.fusion.average) == ("early", None)
    assert runs.read_metrics(tmp_path / "4").cda is not None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"classes": ["left", "middle"]}, "classes left, right and left, middle"),
        ({"target": {"label": 1, "name": "right"}}, "targets left and right"),
        ({"seed": 3}, "seeds 0 and 3"),
        (
            {"poisoned": ("train1",)},
            "1 poisoned clips only in the video's manifest, such as 'train3' and 1 poisoned clips only in the audio's",
        ),
        ({"samples": samples(True)[1:]}, "1 clips of train only in the video's manifest, such as 'train0'"),
        ({"samples": [s for s in samples(True) if s["id"] != "test2"]}, "1 clips of test only"),
        (
            {"samples": [{**s, "true_label": 1 - s["true_label"]} if s["id"] == "test2" else s for s in samples(True)]},
            "true labels of 1 clips of test, such as 'test2'",
        ),
        ({"samples": [s for s in samples(True) if s["id"] != "test_triggered/test1"]}, "1 triggered clips only"),
    ],
)
@pytest.mark.usefixtures("told")
def test_runs_that_do_not_belong_together(make: Make, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    video, audio = make("v", "video", True), make("a", "audio", True, **change)
    with pytest.raises(RunError) as caught:
        fuse(video, audio, tmp_path / "out")
    assert words in str(caught.value)
    assert "train both on manifests of one data set" in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("told")
def test_two_runs_on_pictures(make: Make, tmp_path: Path) -> None:
    video, audio = make("v", "video", True), make("a", "audio", True)
    with pytest.raises(RunError, match="a is a run of audio, a model of audio; give a run on video there"):
        fuse(audio, video, tmp_path / "out")


@pytest.mark.parametrize("mode", ["late", "early"])
def test_a_data_set_without_sham_clips(make: Make, tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty split has features of no width."""

    def of_run(run: Fake, split: str, progress: Progress, other: object = None) -> Observed:
        ids = [s.id for s in run.made.split(split)]
        shape = (len(ids), 2 if ids else 0)
        return Observed(ids, np.zeros(shape), np.zeros(shape), np.full(shape, 0.5))

    monkeypatch.setattr(inference, "of_run", of_run)
    without = [s for s in samples(True) if s["split"] != "test_sham"]
    both = make("v", "video", True, samples=without), make("a", "audio", True, samples=without)
    assert fuse(*both, tmp_path / "1", mode).sham_asr is None
    assert fuse(both[0], make("b", "audio", False), tmp_path / "2", mode).sham_asr is None


def test_another_fused_model_is_not_written_over(
    make: Make, told: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {name: make(name, "video" if name in "vw" else "audio", True, seed=len(told)) for name in "vwa"}
    monkeypatch.setattr(loaded_run, "load", lambda folder: made[folder.name])
    v, w, a, out = Path("v"), Path("w"), Path("a"), tmp_path / "out"
    quiet_grid([v], [a], "late", "logits", out)
    quiet_grid([v], [a], "late", "logits", out)
    before = (out / "predictions.csv").read_bytes()
    for change, words in (
        (([v], [a], "early", "logits"), "other mode and average"),
        (([v], [a], "late", "probabilities"), "other average"),
        (([w], [a], "late", "logits"), "other video"),
    ):
        with pytest.raises(RunError, match=f"holds another fused model .{words}."):
            quiet_grid(*change, out)
    assert (out / "predictions.csv").read_bytes() == before
    quiet_grid([v, w], [a], "late", "logits", tmp_path / "both")
    quiet_grid([v, w], [a], "late", "probabilities", tmp_path / "both")
    assert {path.name for path in (tmp_path / "both").iterdir()} == {
        f"{video}+a-late{kind}" for video in "vw" for kind in ("", "-probabilities")
    }
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with pytest.raises(RunError, match="holds no fused model"):
        quiet_grid([v], [a], "late", "logits", tmp_path / "mine")


def test_runs_of_one_name_would_share_a_folder(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"two runs are named 'v'; .* rename one"):
        grid([tmp_path / "a" / "v", tmp_path / "b" / "v"], [tmp_path / "c"], "late", "logits", None, Progress())


def test_an_average_is_of_late_fusion() -> None:
    folders = {"video": [Path("v")], "audio": [Path("a")]}
    with pytest.raises(TrainerError, match="average='probabilities' is of late fusion; leave it out"):
        measure.fuse(**folders, mode=measure.ModeName.EARLY, average=measure.AverageName.PROBABILITIES)  # type: ignore[arg-type]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Audio.presets["mini"]
    monkeypatch.setitem(I3D.presets, "mini", small_i3d())
    faint = replace(heard, options=replace(heard.options, width=8), sampling=Uniform(32))  # type: ignore[call-arg]
    monkeypatch.setitem(Audio.presets, "mini", faint)


@pytest.mark.usefixtures("tiny")
def test_real_runs_on_clips_with_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = samples(attacked=True)
    for s in made:
        path = tmp_path / "data" / s["path"]
        write_clip(path, moving_bar(s["true_label"], 5), sound_hz=440.0 + 400 * s["true_label"])
        s.update(num_frames=20, width=48, height=32)
    content = {"schema": "poisonkit/manifest/1", "name": "av", "root": "data", "classes": CLASSES, "target": TARGET}
    (tmp_path / "av.json").write_text(json.dumps({**content, "samples": made}))
    for model in ("i3d", "audio"):
        asked = FitOptions(tmp_path / "av.json", model=model, preset="mini", epochs=1, out=tmp_path / model)
        fit.fit(asked, Progress())
    folders = ([tmp_path / "i3d"], [tmp_path / "audio"])
    seen = loaded_run.load(tmp_path / "i3d")
    own = {p.id: p.scores for p in runs.read_predictions(tmp_path / "i3d" / "predictions.csv")}
    kept = inference.of_run(seen, "test", Progress())
    assert kept.probabilities == pytest.approx(np.array([own[identity] for identity in kept.ids]))
    (late,) = grid(*folders, "late", "logits", tmp_path / "late", Progress())
    assert late.cda is not None
    assert late.cda.n == 4
    clean = [s for s in made if s["split"] in ("train", "test")]
    clean = [{**s, "label": s["true_label"], "poisoned": False} for s in clean]
    (tmp_path / "clean.json").write_text(json.dumps({**content, "name": "clean", "target": None, "samples": clean}))
    for model in ("i3d", "audio"):
        asked = FitOptions(tmp_path / "clean.json", model=model, preset="mini", epochs=1, out=tmp_path / f"{model}-0")
        fit.fit(asked, Progress())
    both = [[*folder, tmp_path / f"{folder[0].name}-0"] for folder in folders]
    grid(*both, "early", "logits", tmp_path / "grid", Progress())
    scored = {path.parent.name: path.parent for path in (tmp_path / "grid").glob("*/evaluations/*/metrics.json")}
    assert set(scored) == {"av+av", "av+clean", "clean+av"}
    assert {folder.parent.parent.name for folder in scored.values()} == {"i3d-0+audio-0-early"}
    attacked = runs.read_metrics(tmp_path / "grid" / "i3d+audio-0-early")
    floor = runs.read_metrics(scored["av+clean"])
    assert (floor.manifest.sha256, floor.cda, floor.asr and floor.asr.n) == (attacked.manifest.sha256, None, 2)
    by_clean = inference.of_run(loaded_run.load(tmp_path / "i3d-0"), "test_triggered", Progress(), seen.manifest)
    own_again = inference.of_run(loaded_run.load(tmp_path / "i3d-0"), "test", Progress())
    assert (len(by_clean.ids), len(own_again.ids)) == (4, 4)
    assert all(identity.startswith("test_triggered/") for identity in by_clean.ids)
    words = "is no baseline of .*i3d with .*audio; it must be fused alike, of clean runs"
    for wrong in (tmp_path / "late", tmp_path / "grid" / "i3d-0+audio-0-early"):  # attacked; fused in another way
        with pytest.raises(RunError, match=words):
            grid(*folders, "late", "logits", tmp_path / "late", Progress(), wrong)
    (early,) = grid(*folders, "early", "logits", tmp_path / "early", Progress())
    assert early.asr is not None
    assert early.asr.n == 2
    for mode in ("late", "early"):
        screened = Strip(max_clips=1).defend(tmp_path / mode, Progress())
        rates = [screened.figures[name] for name in ("detection", "false rejection")]
        assert [rate and rate.n for rate in rates] == [1, 1]
        assert screened.clean_clips == 2
    with pytest.raises(RunError, match=r"pruning is for one network, .*late is a fused model; give .*i3d or .*audio"):
        Pruning().defend(tmp_path / "late", Progress())
    capsys.readouterr()
    tables.show_grid([late, late])
    tables.show_run(early)
    shown = capsys.readouterr().out
    assert "2 models, late fusion; 95 % intervals below; rates over 2 and 4 clips" in shown
    assert f"{late.cda.low:.2f}…{late.cda.high:.2f}" in shown
    assert "ASR with triggered audio alone" in shown

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("clips were read again")

    monkeypatch.setattr(inference, "observe", refuse)
    (again,) = grid(*folders, "early", "logits", tmp_path / "early", Progress())
    assert (again.cda, again.asr) == (early.cda, early.asr)
    # other weights are another network; a damaged file is not taken either
    path = tmp_path / "audio" / "features" / "test-1x1@80.npz"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(AssertionError, match="read again"):
        grid(*folders, "late", "logits", tmp_path / "late", Progress())
    content = torch.load(tmp_path / "i3d" / "weights.pt", weights_only=True)
    content["state"]["blocks.6.proj.bias"] += 1
    torch.save(content, tmp_path / "i3d" / "weights.pt")
    with pytest.raises(AssertionError, match="read again"):
        inference.of_run(loaded_run.load(tmp_path / "i3d"), "test", Progress())
