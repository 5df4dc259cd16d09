"""A run's folder: what it holds, and reading and writing it.

`run.json` (what was asked, written first), `checkpoints/` (to resume from), `logs/` (TensorBoard),
`weights.pt`, `predictions.csv` and `metrics.json` (written last: a run that has it is finished).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from trainer import files
from trainer.errors import RunError
from trainer.proportion import Proportion
from trainer.runs.metrics import Prediction, Scores
from trainer.text import argument


class ManifestStamp(msgspec.Struct, frozen=True):
    """Which manifest: name, hash of the file, and where it lay when the run was made."""

    name: str
    sha256: str
    path: str = ""


class Settings(msgspec.Struct, frozen=True):
    """Everything that decides a run's weights, and thus which run a folder holds.

    `recipe` is a digest of the preset's contents, so that an edited preset is another one. `batch_size`: clips per step
    of all `devices` together, each of which takes its part in `accumulate` parts. `weights` is name and hash of the
    file that the training started from; `weights_from`, where that lay (or `k400`), decides nothing and is kept so that
    the run can be made again.
    """

    manifest: ManifestStamp
    model: str
    preset: str
    weights: str
    seed: int
    epochs: int
    batch_size: int
    accumulate: int
    lr: float
    devices: int
    precision: str
    recipe: str
    versions: dict[str, str]
    weights_from: str = ""


class Part(msgspec.Struct, frozen=True):
    """A run that went into a fused model: its folder, manifest, model and views."""

    run: str
    manifest: ManifestStamp
    model: str
    preset: str
    views: str
    seed: int


class Fusion(msgspec.Struct, frozen=True):
    """How two runs were fused: `mode` late or early, and for late what was averaged, `logits` or `probabilities`.

    `asr_video`, `asr_audio`: the ASR when only that modality carries its trigger and the other is clean; null where it
    was not attacked. Where one alone was, its value is the ASR itself.
    """

    mode: str
    average: str | None
    video: Part
    audio: Part
    asr_video: Proportion | None = None
    asr_audio: Proportion | None = None


class Metrics(Scores, frozen=True, kw_only=True):
    """`metrics.json`: the figures and what they were taken from."""

    per_class: dict[str, Proportion | None]
    views: str
    preset: str
    model: str
    seed: int
    manifest: ManifestStamp
    seconds: dict[str, float]
    epochs: int
    weights: str
    target: int | None
    versions: dict[str, str]
    fusion: Fusion | None = None


def read_settings(folder: Path) -> Settings:
    """What a run was asked to do; raises `RunError` when the folder holds no run."""
    made: Settings = read(folder / "run.json", Settings)
    return made


def read_metrics(folder: Path) -> Metrics:
    """A finished run's figures; raises `RunError` when it has none."""
    made: Metrics = read(folder / "metrics.json", Metrics)
    return made


def is_finished(folder: Path) -> bool:
    """Whether a run has its figures."""
    return (folder / "metrics.json").is_file()


def check(folder: Path, settings: Settings, resume: bool) -> None:
    """Raise `RunError` when a folder holds something else, or this run unfinished and `resume` is not set."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / "run.json").is_file():
        raise RunError(f"{folder} is not empty and holds no run", f"choose another folder with {argument('out')}")
    differing = differences(read_settings(folder), settings)
    if differing:
        raise RunError(
            f"{folder} holds another run ({differing})", f"choose another folder with {argument('out')}, or remove it"
        )
    if not resume and not is_finished(folder):
        raise RunError(
            f"{folder} holds this run, unfinished",
            f"go on with {argument('resume', True)}, or choose another folder with {argument('out')}",
        )


def claim(folder: Path, settings: Settings) -> None:
    """Make a folder this run's own."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "run.json").is_file():
        files.write_json(folder / "run.json", settings)


def differences(theirs: Settings, ours: Settings) -> str:
    """The settings that differ, in words, empty if none do; manifests and files of weights are known by their hash."""
    plain = [name for name in Settings.__struct_fields__ if name not in ("manifest", "versions", "weights_from")]
    pairs = [(name, getattr(theirs, name), getattr(ours, name)) for name in plain]
    pairs += [(name, theirs.versions.get(name), version) for name, version in ours.versions.items()]
    words = [f"{name} {a} instead of {b}" for name, a, b in pairs if a != b]
    if theirs.manifest.sha256 != ours.manifest.sha256:
        words.insert(0, f"manifest {theirs.manifest.name!r} with other content")
    return ", ".join(words)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint to resume from."""
    return max(folder.glob("checkpoints/[0-9]*.ckpt"), default=None)


def write_predictions(path: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
    """Write `predictions.csv`: one test clip a row, with every class's score."""
    table = io.StringIO(newline="")
    # names are quoted, since a bare carriage return in one would end its row
    rows = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    rows.writerow(["id", "split", "label", "true_label", "prediction", *(f"score:{name}" for name in classes)])
    for p in predictions:
        scores = (float(f"{score:.9g}") for score in p.scores)
        rows.writerow([p.id, p.split, p.label, p.true_label, p.prediction, *scores])
    files.write(path, table.getvalue().encode())


def read_predictions(path: Path) -> list[Prediction]:
    """Read `predictions.csv` back; raises `RunError` when it is missing or damaged."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows)
            return [
                Prediction(r[0], r[1], int(r[2]), int(r[3]), int(r[4]), tuple(float(score) for score in r[5:]))
                for r in rows
            ]
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}", "give the folder of a finished run") from None
    except (ValueError, IndexError, StopIteration) as error:
        raise RunError(f"{path} is damaged ({error})", "run `trainer evaluate` on its run again") from None


def read(path: Path, kind: Any, remedy: str = "train the run again") -> Any:
    """A struct from its JSON file; raises `RunError` when it is missing or damaged, with what to do then."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise RunError(
            f"cannot read {path}: {error.strerror}", "give the folder of a run that `trainer fit` finished"
        ) from None
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is damaged ({error})", remedy) from None
