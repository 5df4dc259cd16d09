"""Training on moving bars: it learns, it resumes to the same weights, and its run folder is complete."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.command_line import in_a_process
from tests.conftest import REPOSITORY
from tests.trainer import learning
from tests.trainer.small import small_i3d
from trainer import manifest as manifests
from trainer.data import training_set
from trainer.data.video_datasets import TrainingClips
from trainer.errors import RunError, TrainerError
from trainer.evaluation import evaluate
from trainer.evaluation.evaluate import EvaluateOptions
from trainer.models import public, weights
from trainer.models.i3d import I3D
from trainer.models.tsm import TSM
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp, Settings
from trainer.runs.metrics import Scores
from trainer.training import fit
from trainer.training import loop as training_loop
from trainer.training.lightning_module import Learner
from trainer.training.options import FitOptions


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """`mini`, smaller still: seconds instead of minutes, dropout and all."""
    small = small_i3d(recipe=replace(I3D.presets["mini"].recipe, batch_size=4))
    monkeypatch.setitem(I3D.presets, "mini", small)


def options(manifest: Path, out: Path, **more: object) -> FitOptions:
    return FitOptions(manifest, preset="mini", epochs=3, out=out, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def learned(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs."""
    with pytest.MonkeyPatch.context() as patch:
        tiny.__wrapped__(patch)  # type: ignore[attr-defined]
        folder = tmp_path_factory.mktemp("runs") / "bars"
        fit.fit(options(bars, folder), Progress())
        return folder


def test_run_folder_is_complete(learned: Path, bars: Path) -> None:
    assert {"run.json", "metrics.json", "predictions.csv", "weights.pt", "logs", "checkpoints"} == {
        path.name for path in learned.iterdir()
    }
    assert len(list((learned / "logs").glob("events.out.tfevents.*"))) == 1
    assert len(list((learned / "checkpoints").iterdir())) == 1
    metrics = json.loads((learned / "metrics.json").read_text())
    counts = {name: metrics[name]["n"] for name in Scores.__struct_fields__}
    assert counts == {"cda": 4, "asr": 2, "asr_all": 4, "false_target": 2, "sham_asr": 1, "ra": 2}
    assert metrics["manifest"]["name"] == "bars"
    assert metrics["views"] == "2x1@32"
    assert (metrics["preset"], metrics["model"], metrics["seed"]) == ("mini", "i3d", 0)
    assert set(metrics["per_class"]) == {"standing", "moving"}
    assert set(metrics["seconds"]) == {"load", "train", "test"}
    assert metrics["epochs"] == 3


def test_each_epoch_has_a_point_of_the_learning_curves(learned: Path) -> None:
    events = EventAccumulator(str(learned / "logs"))
    events.Reload()
    steps = -(-8 // 4)
    for curve in ("loss", "lr"):
        assert [event.step // steps for event in events.Scalars(curve)] == [0, 1, 2]


def test_a_dry_run_estimates_and_writes_nothing(bars: Path, tmp_path: Path) -> None:
    expected = fit.dry_run(options(bars, tmp_path / "run"), Progress())
    assert (expected.clips, expected.test_clips, expected.epochs, expected.views) == (8, 10, 3, 2)
    assert expected.steps == 3 * -(-8 // I3D.presets["mini"].recipe.batch_size)
    assert expected.parameters == sum(p.numel() for p in I3D.from_preset(I3D.presets["mini"], 2).parameters())
    assert min(expected.seconds.values()) > 0
    assert not (tmp_path / "run").exists()
    with pytest.raises(TrainerError, match="epochs is -1"):
        fit.dry_run(replace(options(bars, tmp_path / "run"), epochs=-1), Progress())


def test_bf16_learns_nearly_the_same_weights(tmp_path: Path) -> None:
    """Other arithmetic, the same training.

    Least margin over 20 seeds and 1 or 2 threads: apart by a twentieth of what is allowed.
    """
    assert learning.bf16(tmp_path, seed=0) > 0


def test_predictions_hold_every_test_clip(learned: Path) -> None:
    with (learned / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for row in rows:
        scores = [float(row["score:standing"]), float(row["score:moving"])]
        assert sum(scores) == pytest.approx(1)
        assert int(row["prediction"]) == scores.index(max(scores))


def test_finished_run_is_only_read(learned: Path, bars: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (learned / "weights.pt").stat().st_mtime_ns
    result = fit.fit(options(bars, learned), Progress())
    assert result == runs.read_metrics(learned)
    assert (learned / "weights.pt").stat().st_mtime_ns == before
    assert "already holds this run, finished" in capsys.readouterr().err


def test_other_seed_in_the_same_folder_is_refused(learned: Path, bars: Path) -> None:
    with pytest.raises(RunError, match="seed 0 instead of 1"):
        fit.fit(options(bars, learned, seed=1), Progress())


class LostMachineError(Exception):
    """Stands for a kill."""


def die_at(monkeypatch: pytest.MonkeyPatch, epoch: int, batch: int) -> None:
    step = Learner.training_step

    def dying(self: Learner, clips: tuple[torch.Tensor, torch.Tensor], batch_idx: int) -> torch.Tensor:
        if (self.current_epoch, batch_idx) == (epoch, batch):
            raise LostMachineError
        return step(self, clips, batch_idx)

    monkeypatch.setattr(Learner, "training_step", dying)


@pytest.mark.parametrize(
    ("epoch", "batch", "batch_size", "device_batch", "workers"),
    [
        (0, 3, 2, None, 0),
        (1, 0, 4, 2, 0),
        (1, 3, 2, None, 1),
        (2, 3, 4, 2, 0),
        *(pytest.param(*place, 2, None, 0, marks=pytest.mark.long) for place in ((1, 0), (1, 2), (2, 1), (2, 3))),
        *(pytest.param(*place, 4, 2, 0, marks=pytest.mark.long) for place in ((0, 3), (1, 2), (2, 1))),
    ],
)
def test_resumed_run_goes_on_within_the_epoch_to_the_same_weights(
    bars: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    epoch: int,
    batch: int,
    batch_size: int,
    device_batch: int | None,
    workers: int,
) -> None:
    """Eight clips: four batches of two an epoch, each a step or every two of them."""
    asked = {"batch_size": batch_size, "device_batch": device_batch, "workers": workers}
    monkeypatch.setattr(training_loop, "CHECKPOINTS", 100)  # one after each step
    fit.fit(options(bars, tmp_path / "undisturbed", **asked), Progress())
    with monkeypatch.context() as patch:
        die_at(patch, epoch, batch)
        with pytest.raises(LostMachineError):
            fit.fit(options(bars, tmp_path / "run", **asked), Progress())
    torch.rand(7)  # a new process would have another random state
    with pytest.raises(RunError, match="unfinished; go on with resume=True"):
        fit.fit(options(bars, tmp_path / "run", **asked), Progress())
    read: list[tuple[int, int]] = []
    getitem = TrainingClips.__getitem__
    monkeypatch.setattr(TrainingClips, "__getitem__", lambda self, key: (read.append(key), getitem(self, key))[1])
    fit.fit(options(bars, tmp_path / "run", resume=True, **asked), Progress())
    undisturbed, resumed = (weights.load(tmp_path / name / "weights.pt") for name in ("undisturbed", "run"))
    assert all(torch.equal(undisturbed.state[key], resumed.state[key]) for key in undisturbed.state)
    predictions = [(tmp_path / name / "predictions.csv").read_bytes() for name in ("undisturbed", "run")]
    assert predictions[0] == predictions[1]
    # what was learned from before the kill is not read again
    done = batch if device_batch is None else batch // 2 * 2
    if not workers:  # a worker's reading is not seen from here
        assert len(read) == 24 - 8 * epoch - 2 * done
    assert "training: 3/3 epochs" in capsys.readouterr().err


def test_two_kills_within_one_batch_of_several_parts(
    bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the clock nor a step that was saved before may save while gradients wait for the rest of their batch."""
    asked = {"batch_size": 4, "device_batch": 2}
    fit.fit(options(bars, tmp_path / "undisturbed", **asked), Progress())
    monkeypatch.setattr(training_loop, "CHECKPOINT_INTERVAL", timedelta(0))
    monkeypatch.setattr(training_loop, "CHECKPOINTS", 100)
    for epoch, batch in ((1, 1), (1, 1), (1, 3), (2, 0)):
        with monkeypatch.context() as patch:
            die_at(patch, epoch, batch)
            with pytest.raises(LostMachineError):
                fit.fit(options(bars, tmp_path / "run", resume=True, **asked), Progress())
    fit.fit(options(bars, tmp_path / "run", resume=True, **asked), Progress())
    undisturbed, resumed = (weights.load(tmp_path / name / "weights.pt") for name in ("undisturbed", "run"))
    assert all(torch.equal(undisturbed.state[key], resumed.state[key]) for key in undisturbed.state)


def test_a_batch_in_parts_is_the_same_batch(bars: Path, tmp_path: Path) -> None:
    """Without batch norm and dropout the gradient of four clips is the mean of their own."""

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = torch.nn.Linear(3, 2)

        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            return self.head(clips.float().mean(dim=(2, 3, 4)) / 255)

    results = []
    manifest = manifests.load(bars)
    preset = I3D.presets["mini"]
    source = training_set.training(manifest, preset, 0, training_set.Reading(), Progress())
    recipe = replace(preset.recipe, optimizer="sgd", lr=0.5)
    for accumulate in (1, 4):
        torch.manual_seed(0)
        model = Plain()
        model.memory_format = torch.contiguous_format  # type: ignore[assignment]
        settings = Settings(
            ManifestStamp("bars", "0"), "i3d", "mini", "none", 0, 2, 4, accumulate, 0.5, 1, "32", "none", {}
        )
        folder = tmp_path / str(accumulate)
        training_loop.train(model, source, recipe, settings, training_loop.Group(), folder, Progress())  # type: ignore[arg-type]
        results.append(model.head.weight.detach().clone())
    torch.testing.assert_close(results[0], results[1])


def test_seeds_differ(learned: Path, bars: Path, tmp_path: Path) -> None:
    fit.fit(options(bars, tmp_path / "run", seed=1), Progress())
    one, other = weights.load(learned / "weights.pt"), weights.load(tmp_path / "run" / "weights.pt")
    assert not torch.equal(one.state["blocks.0.conv.weight"], other.state["blocks.0.conv.weight"])


def test_weights_go_into_the_next_run(learned: Path, bars: Path, tmp_path: Path) -> None:
    """With a vanishing learning rate the new run keeps the old one's convolutions."""
    fit.fit(options(bars, tmp_path / "run", weights=learned / "weights.pt", lr=1e-12), Progress())
    one, other = weights.load(learned / "weights.pt"), weights.load(tmp_path / "run" / "weights.pt")
    torch.testing.assert_close(one.state["blocks.0.conv.weight"], other.state["blocks.0.conv.weight"])
    assert "weights.pt sha256:" in runs.read_metrics(tmp_path / "run").weights
    assert runs.read_settings(tmp_path / "run").weights_from == str(learned / "weights.pt")
    assert runs.read_settings(learned).weights_from == ""


def test_public_weights_are_recorded_by_their_word(bars: Path, tmp_path: Path) -> None:
    preset, asked = I3D.presets["mini"], options(bars, tmp_path / "run", weights=Path("k400"))
    made = fit.settings_of(asked, manifests.load(bars), preset, preset.recipe, "file.pyth sha256:0")
    assert (made.weights, made.weights_from) == ("file.pyth sha256:0", "k400")


@pytest.mark.parametrize(
    ("model", "gpu", "installed", "words"),
    [
        ("tsm", True, True, ("paper", "there is a GPU")),
        ("tsm", False, True, ("lite", "there is no GPU, and the weights that it starts from are installed")),
        ("tsm", False, False, ("mini", "there is no GPU, and the weights that lite starts from are not installed")),
        ("audio", False, True, ("mini", "there is no GPU")),
    ],
)
def test_the_preset_follows_from_what_is_there(
    monkeypatch: pytest.MonkeyPatch, model: str, gpu: bool, installed: bool, words: tuple[str, str]
) -> None:
    monkeypatch.setattr(fit.public, "installed", lambda _: Path("weights") if installed else None)
    name, reason = fit.default_preset(model, gpu=gpu)
    assert (name, reason.split(" (")[0]) == words


def test_lite_starts_from_imagenet_unless_told_otherwise(bars: Path, tmp_path: Path) -> None:
    packaged = TSM.imagenet["lite"]
    if public.installed(packaged) is None:
        pytest.skip(f"{packaged.package} is not installed")
    asked = FitOptions(bars, model="tsm", preset="lite", epochs=1, out=tmp_path / "run")
    made = fit.fit(asked, Progress())
    assert made is not None
    assert (runs.read_settings(tmp_path / "run").weights_from, made.views) == ("imagenet", "1x1@96/80")
    assert made.weights == f"efficientnet-lite0-57934424.pth sha256:{packaged.sha256}"
    wider = evaluate.evaluate(EvaluateOptions(tmp_path / "run", views="2x1", splits=("test",)), Progress())
    assert wider.views == "2x1@96/80"
    assert (tmp_path / "run" / "evaluations" / "bars-2x1@96-80" / "predictions.csv").is_file()
    plain = fit.dry_run(replace(asked, weights=Path("none"), out=tmp_path / "plain"), Progress())
    assert plain.steps == 1


def test_one_step_lowers_the_loss(tmp_path: Path) -> None:
    """Least margin over 20 seeds and 1 or 2 threads: 17 % of the loss."""
    assert learning.one_step(tmp_path, seed=0) > 0


def test_moving_bars_are_learned(tmp_path: Path) -> None:
    """Bars that stand and bars that move look alike in any one frame: all eight test clips are told.

    Least margin over 20 seeds and 1 or 2 threads: the truth leads by 0.40 in the score.
    """
    assert learning.bars(tmp_path, seed=0) > 0
    figures = runs.read_metrics(tmp_path / "run").cda
    assert figures is not None
    assert (figures.value, figures.n) == (1, 8)


def test_evaluate_repeats_the_runs_figures(learned: Path) -> None:
    before = (learned / "predictions.csv").read_bytes()
    metrics = runs.read_metrics(learned)
    again = evaluate.evaluate(EvaluateOptions(learned), Progress())
    assert (again.cda, again.asr, again.sham_asr) == (metrics.cda, metrics.asr, metrics.sham_asr)
    assert (learned / "predictions.csv").read_bytes() == before


def test_other_views_are_kept_apart(learned: Path) -> None:
    before = (learned / "metrics.json").read_bytes()
    result = evaluate.evaluate(EvaluateOptions(learned, views="3x3"), Progress())
    assert result.views == "3x3@32"
    assert (learned / "metrics.json").read_bytes() == before
    assert (learned / "evaluations" / "bars-3x3@32" / "predictions.csv").is_file()


def test_evaluate_scores_the_named_splits_alone(learned: Path) -> None:
    own = runs.read_metrics(learned)
    result = evaluate.evaluate(EvaluateOptions(learned, views="3x1", splits=("test_triggered",)), Progress())
    assert result.cda is None
    assert result.asr is not None
    assert own.asr is not None
    assert result.asr.n == own.asr.n
    with pytest.raises(RunError, match="leave split out"):
        evaluate.evaluate(EvaluateOptions(learned, splits=("test_triggered",)), Progress())


def test_evaluate_refuses_other_classes(learned: Path, bars: Path, tmp_path: Path) -> None:
    content = json.loads(bars.read_text())
    content["classes"] = ["up", "down"]
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(RunError, match="knows the classes standing, moving"):
        evaluate.evaluate(EvaluateOptions(learned, tmp_path / "other.json"), Progress())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 0}, "epochs is 0"),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"lr": 0.0}, "lr is 0.0"),
        ({"lr": float("nan")}, "lr is nan"),
        ({"devices": 0}, "devices is 0"),
        ({"device_batch": 0}, "device_batch is 0"),
        ({"workers": -1}, "workers is -1"),
        ({"batch_size": 1, "devices": 2}, "batch_size=1 is less than a clip for each of 2 devices"),
        ({"nodes": 2}, "nodes=2 needs a launcher on every machine"),
        ({"model": "i4d"}, "did you mean 'i3d'"),
        ({"views": "ten"}, "try 10x3"),
        ({"seed": -1}, "seed=-1"),
        ({"seed": 2**63}, "seed=9223372036854775808"),
        ({"precision": "16"}, "needs a GPU"),
        ({"weights": Path("nowhere.pt")}, "cannot read the weights nowhere.pt"),
    ],
)
def test_mistakes_are_sentences(bars: Path, tmp_path: Path, change: dict[str, object], words: str) -> None:
    with pytest.raises(TrainerError, match=words):
        fit.fit(replace(options(bars, tmp_path / "run"), **change), Progress())  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("change", ["model", "geometry"])
def test_unfit_weights_are_found_before_clips_are_read(
    learned: Path, bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    given = weights.load(learned / "weights.pt")
    other = {
        "model": replace(given, model="tsm"),
        "geometry": replace(given, options=replace(given.options, width=8)),
    }
    weights.save(other[change], tmp_path / "other.pt")

    def reading(*_: object) -> None:
        raise AssertionError("clips are read")

    monkeypatch.setattr(training_set, "training", reading)
    asked = options(bars, tmp_path / "run", weights=tmp_path / "other.pt")
    for command in (fit.fit, fit.dry_run):
        with pytest.raises(TrainerError, match=rf"the weights are of (model 'tsm'|another {change})"):
            command(asked, Progress())
    assert not (tmp_path / "run").exists()


def test_mistakes_found_late_leave_no_folder(learned: Path, bars: Path, tmp_path: Path) -> None:
    """Weights of another geometry and a broken clip are found after the folder was looked at."""
    preset = I3D.presets["mini"]
    I3D.presets["mini"] = replace(preset, options=replace(preset.options, width=8))  # type: ignore[call-arg]
    with pytest.raises(TrainerError, match="another geometry"):
        fit.fit(options(bars, tmp_path / "run", weights=learned / "weights.pt"), Progress())
    other = Path(shutil.copytree(bars.parent, tmp_path / "other")) / bars.name
    given = manifests.load(other)
    given.file_of(given.split("train")[-1]).write_bytes(b"no clip")
    with pytest.raises(TrainerError, match="cannot decode"):
        fit.fit(options(other, tmp_path / "run"), Progress())
    assert not (tmp_path / "run").exists()


def test_missing_files_are_found_before_the_training(bars: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(bars.parent, tmp_path / "other")) / bars.name
    given = manifests.load(other)
    last = given.split("test")[-1]
    given.file_of(last).unlink()
    for command in (fit.fit, fit.dry_run):
        with pytest.raises(TrainerError, match=rf"1 of the {len(given.samples)} files .* missing, such as {last.path}"):
            command(options(other, tmp_path / "run"), Progress())
    (tmp_path / "away.json").write_text(json.dumps({**json.loads(bars.read_text()), "root": "away"}))
    for command in (fit.fit, fit.dry_run):
        with pytest.raises(TrainerError, match="away, which is no folder; move it back"):
            command(options(tmp_path / "away.json", tmp_path / "run"), Progress())
    assert not (tmp_path / "run").exists()


def test_finished_run_with_other_views_points_to_evaluate(learned: Path, bars: Path) -> None:
    with pytest.raises(RunError, match=r"use `trainer evaluate .* --views 5x3@32`"):
        fit.fit(options(bars, learned, views="5x3"), Progress())


def test_two_processes_train_together(bars: Path, tmp_path: Path) -> None:
    """Lightning starts the command again for the second; one of them writes the run."""
    arguments = [
        "fit",
        bars,
        "--preset",
        "mini",
        "--epochs",
        "1",
        "--devices",
        "2",
        "--out",
        tmp_path / "run",
        "--json",
    ]
    done = in_a_process("tests.trainer.small", *arguments)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cda"]["n"] == 4
    assert runs.read_settings(tmp_path / "run").devices == 2
    assert done.stderr.count("training: 1/1 epochs") == 1


def test_a_diverged_training_is_a_sentence_and_no_figure(bars: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"training diverged: the loss is (nan|inf).*lower lr"):
        fit.fit(options(bars, tmp_path / "run", lr=1e12), Progress())
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_manifest_without_test_clips_is_refused_before_training(bars: Path, tmp_path: Path) -> None:
    made = json.loads(bars.read_text())
    made["samples"] = [s for s in made["samples"] if s["split"] == "train"]
    path = bars.parent / "train-only.json"
    path.write_text(json.dumps(made))
    with pytest.raises(TrainerError, match="has no test clips"):
        fit.fit(options(path, tmp_path / "run"), Progress())
    assert not (tmp_path / "run").exists()


def test_a_changed_preset_is_another_run(learned: Path, bars: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    preset = I3D.presets["mini"]
    monkeypatch.setitem(I3D.presets, "mini", replace(preset, augment=replace(preset.augment, jitter=0.1)))
    with pytest.raises(RunError, match=r"holds another run \(recipe"):
        fit.fit(options(bars, learned), Progress())
    with pytest.raises(RunError, match="the preset mini has changed"):
        evaluate.evaluate(EvaluateOptions(learned), Progress())


def test_other_windows_than_the_placements_are_told(
    bars: Path, learned: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = json.loads(bars.read_text())
    for sampling, told in (("32x2", True), ("8x2", False)):
        path = bars.parent / f"placed-{sampling}.json"
        path.write_text(json.dumps({**made, "sampling": sampling}))
        with pytest.raises(RunError, match="with other content"):
            fit.fit(options(path, learned), Progress())
        assert ("was placed for windows of 32x2, this victim samples 8x2" in capsys.readouterr().err) == told


def test_ctrl_c_ends_with_how_to_go_on(bars: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.trainer.small", "fit", str(bars), "--preset", "mini", "--epochs", "100000"]
    run = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        # a shell that runs the tests in the background leaves SIGINT ignored, which children inherit
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "logs").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(1)
        run.send_signal(signal.SIGINT)
        _, rest = run.communicate(timeout=120)
    finally:
        run.kill()
    assert run.returncode == 130, rest
    assert "goes on with --resume" in rest
    assert "Traceback" not in rest
