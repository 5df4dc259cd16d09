"""Audio-visual models from a run on video and one on audio: late fusion of scores, early fusion of features.

Each backbone sees the files of its own run's manifest, which must speak of the same clips. A modality that was not
attacked gives its clean file where the other one is triggered.
"""

from __future__ import annotations

import hashlib
import time
import zipfile
from pathlib import Path
from typing import Literal

import numpy as np
from msgspec.structs import replace

from trainer import files
from trainer.errors import RunError
from trainer.evaluation import inference
from trainer.evaluation.logistic_regression import Linear
from trainer.fusion.baseline import Baseline
from trainer.fusion.run_pair import Pair, join
from trainer.fusion.scorers import Average, Classifier, Fused, Mean, Mode
from trainer.manifest import SHAM, TRIGGERED, plain
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.runs import folder as runs
from trainer.runs import loaded_run, metrics
from trainer.runs.folder import Fusion, ManifestStamp, Metrics, Part
from trainer.runs.loaded_run import Trained
from trainer.runs.metrics import Prediction
from trainer.text import argument
from trainer.versions import versions


def fuse(
    pair: Pair, mode: Mode, average: Average, folder: Path, progress: Progress, baseline: Baseline | None = None
) -> tuple[Metrics, Fused]:
    """Fuse two runs and write `metrics.json` and `predictions.csv` into `folder`, as a run has them.

    Late: the mean of both networks' logits, each the mean over its views, or with `average` of their probabilities.
    Early: a linear classifier on both networks' features of the training clips, with the labels that either attack
    gave them. CDA is that of clean video with clean audio, ASR that of triggered with triggered. `baseline` is then
    scored on the same triggered clips, and its figures are kept among its evaluations.
    """
    start = time.monotonic()
    video, audio = pair.video, pair.audio
    fused = Mean(average) if mode == "late" else _early(pair, progress)
    predictions = _predictions(pair, fused, progress)
    plan = replace(
        _plan(video, audio, mode, average),
        asr_video=_alone(pair, fused, "video", progress),
        asr_audio=_alone(pair, fused, "audio", progress),
    )
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(fused, Classifier):
        files.write(folder / "classifier.npz", fused.linear.saved())
    result = _write(pair, plan, predictions, start, folder)
    if baseline is not None and pair.target is not None:
        _floor(baseline, pair, progress)
    return result, fused


def _floor(baseline: Baseline, pair: Pair, progress: Progress) -> None:
    """Score a clean fused model on the triggered clips of a pair, as `trainer evaluate` does a clean run."""
    start = time.monotonic()
    sides = sides_of(pair, TRIGGERED)
    predictions = _predict(pair, baseline.fused, TRIGGERED, sides, progress, by=baseline.pair)
    if predictions:
        mode, average = baseline.fused.kind
        plan = _plan(baseline.pair.video, baseline.pair.audio, mode, average or "logits")
        folder = baseline.folder / "evaluations" / f"{pair.video.manifest.name}+{pair.audio.manifest.name}"
        folder.mkdir(parents=True, exist_ok=True)
        _write(pair, plan, predictions, start, folder)


def _write(pair: Pair, plan: Fusion, predictions: list[Prediction], start: float, folder: Path) -> Metrics:
    """Write the figures of a fused model, `plan`, on the clips of a pair; `metrics.json` comes last."""
    figures = metrics.scores_of(predictions, pair.target)
    result = Metrics(
        **{name: getattr(figures, name) for name in figures.__struct_fields__},
        per_class=metrics.per_class(predictions, pair.video.manifest.classes),
        views=f"{pair.video.views} + {pair.audio.views}",
        preset=plan.video.preset,
        model=f"{_called(plan.mode, plan.average)} fusion of {plan.video.model} and {plan.audio.model}",
        seed=plan.video.seed,
        manifest=_stamp(pair),
        seconds={"fuse": round(time.monotonic() - start, 1)},
        epochs=0,
        weights="those of the fused runs",
        target=pair.target,
        versions=versions(),
        fusion=plan,
    )
    runs.write_predictions(folder / "predictions.csv", predictions, pair.video.manifest.classes)
    files.write_json(folder / "metrics.json", result)
    return result


def load(folder: Path) -> tuple[Pair, Fused]:
    """A fused model from its folder; raises `RunError` when one of its runs is missing or another one by now."""
    found = runs.read_metrics(folder).fusion
    if found is None:
        raise RunError(f"{folder} holds no fused model", "make one with `trainer fuse`")
    sides = []
    for part in (found.video, found.audio):
        side = loaded_run.load(_folder_of(part, folder))
        if side.settings.manifest.sha256 != part.manifest.sha256:
            raise RunError(f"{side.folder} is another run than the one fused in {folder}", "fuse them again")
        sides.append(side)
    if found.mode == "late":
        return join(*sides), Mean("probabilities" if found.average == "probabilities" else "logits")
    try:
        return join(*sides), Classifier(Linear.loaded((folder / "classifier.npz").read_bytes()))
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"cannot read {folder / 'classifier.npz'} ({error})", "fuse the runs again") from None


def _folder_of(part: Part, folder: Path) -> Path:
    """Where a fused run lies: by its record's path from here, or from a folder above the fused model's."""
    for base in (Path(), *folder.resolve().parents):
        if runs.is_finished(base / part.run):
            return base / part.run
    raise RunError(f"{folder} was fused from {part.run}, which is not there", "put the run back")


def _early(pair: Pair, progress: Progress) -> Classifier:
    """Train on the union of the poisoned labels: a clip has the label that either manifest changed."""
    ours, theirs = pair.video.manifest.split("train"), {s.id: s for s in pair.audio.manifest.split("train")}
    if not ours:
        raise RunError(
            f"{pair.video.manifest.path} has no training clips, which early fusion needs",
            f"take {argument('mode', 'late')}",
        )
    labels = [s.label if s.label != s.true_label else theirs[s.id].label for s in ours]
    ids = [s.id for s in ours]
    seen = [inference.of_run(run, "train", progress).of(ids).features for run in (pair.video, pair.audio)]
    return Classifier(Linear.fitted(seen, np.array(labels), len(pair.video.manifest.classes)))


def _predictions(pair: Pair, fused: Fused, progress: Progress) -> list[Prediction]:
    """Of all test splits: clean with clean, triggered with triggered, re-encoded with re-encoded."""
    predictions = _predict(pair, fused, "test", ("test", "test"), progress)
    for split in (TRIGGERED, SHAM):
        sides = sides_of(pair, split)
        if split in sides:
            predictions += _predict(pair, fused, split, sides, progress)
    return predictions


def sides_of(pair: Pair, split: str) -> tuple[str, str]:
    """The splits that give video and audio of a test split: clean files of a modality that was not attacked."""
    sides = ["test" if m.target is None else split for m in (pair.video.manifest, pair.audio.manifest)]
    return sides[0], sides[1]


def _alone(pair: Pair, fused: Fused, attacked: Literal["video", "audio"], progress: Progress) -> Proportion | None:
    """The ASR with the trigger in one modality alone."""
    manifest = pair.video.manifest if attacked == "video" else pair.audio.manifest
    if manifest.target is None:
        return None
    sides = (TRIGGERED, "test") if attacked == "video" else ("test", TRIGGERED)
    return metrics.scores_of(_predict(pair, fused, TRIGGERED, sides, progress), pair.target).asr


def _predict(
    pair: Pair, fused: Fused, split: str, sides: tuple[str, str], progress: Progress, by: Pair | None = None
) -> list[Prediction]:
    """Predictions of the clips that both sides have, called by the names that they have in `split`.

    `by`: whose networks look at them, the pair's own without it.
    """
    networks = [(pair.video, pair.audio), ((by or pair).video, (by or pair).audio)]
    seen = [
        inference.of_run(network, side, progress, None if network is run else run.manifest)
        for run, network, side in zip(*networks, sides, strict=True)
    ]
    names = [{plain(identity): identity for identity in part.ids} for part in seen]
    clips = {s.id: s for s in pair.video.manifest.split("test")}
    shared = sorted(clips.keys() & names[0].keys() & names[1].keys())
    if not shared:
        return []
    parts = [part.of([name[clip] for clip in shared]) for part, name in zip(seen, names, strict=True)]
    predictions = []
    for clip, scores in zip(shared, fused.scores(*parts), strict=True):
        true = clips[clip].true_label
        label = pair.target if split == TRIGGERED and pair.target is not None else true
        identity = clip if split == "test" else f"{split}/{clip}"
        sample = replace(clips[clip], id=identity, split=split, label=label)
        predictions.append(metrics.predict(sample, scores.tolist()))
    return predictions


def _part(run: Trained) -> Part:
    m = run.metrics
    return Part(str(run.folder), m.manifest, m.model, m.preset, m.views, m.seed)


def _stamp(pair: Pair) -> ManifestStamp:
    both = f"{pair.video.manifest.sha256} {pair.audio.manifest.sha256}"
    return ManifestStamp(
        f"{pair.video.manifest.name} + {pair.audio.manifest.name}", hashlib.sha256(both.encode()).hexdigest()
    )


def _plan(video: Trained, audio: Trained, mode: Mode, average: Average) -> Fusion:
    """What decides a fused model."""
    return Fusion(mode, average if mode == "late" else None, _part(video), _part(audio))


def _check_folder(folder: Path, planned: Fusion) -> None:
    """Raise `RunError` when a folder holds something other than this fused model."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    found = runs.read_metrics(folder).fusion if runs.is_finished(folder) else None
    if found is None:
        raise RunError(
            f"{folder} is not empty and holds no fused model", f"choose another folder with {argument('out')}"
        )
    pairs = {
        "mode": (found.mode, planned.mode),
        "average": (found.average, planned.average),
        "video": (found.video.manifest.sha256, planned.video.manifest.sha256),
        "audio": (found.audio.manifest.sha256, planned.audio.manifest.sha256),
    }
    differing = [name for name, (theirs, ours) in pairs.items() if theirs != ours]
    if differing:
        raise RunError(
            f"{folder} holds another fused model (other {' and '.join(differing)})",
            f"remove it, or choose another folder with {argument('out')}",
        )


def _called(mode: str, average: str | None) -> str:
    return mode if mode == "early" or average == "logits" else f"{mode}-{average}"


def name_of(video: Path, audio: Path, mode: Mode, average: Average) -> str:
    """What a fused model is called."""
    return f"{video.resolve().name}+{audio.resolve().name}-{_called(mode, average)}"
