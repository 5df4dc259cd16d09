"""A manifest as the annotation lists that other trainers read.

Every list is made so that a trainer's plain accuracy on it is one figure: on `train` and `test` the labels are those
of the manifest (accuracy on `test` is the CDA); `triggered` and `sham` hold the clips of other classes, labelled with
the target (accuracy on them is the ASR and the codec's floor under it).
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from poisonkit import manifest as contract
from poisonkit.errors import PoisonkitError
from poisonkit.manifest import Manifest, Sample
from poisonkit.text import argument


class Exported(NamedTuple):
    """What was written: list files by name with their numbers of clips, and how a trainer opens them."""

    files: dict[Path, int]
    hint: str


def export(path: Path, to: str, out: Path) -> Exported:
    """Write the lists of the manifest at `path` into the folder `out`, in the format `to`.

    Paths in the lists are relative to the data set's folder, which the hint names. Raises `PoisonkitError` for an
    unknown format and for a folder that holds something else.
    """
    if to not in WRITERS:
        raise PoisonkitError(f"{argument('to', to)} is no format", f"give one of {', '.join(WRITERS)}")
    manifest = contract.load(path)
    root = contract.root_of(manifest, path)
    texts = WRITERS[to](manifest)
    hint = _hint(to, root, out, manifest)
    if out.is_file():
        raise PoisonkitError(f"{argument('out', out)} is a file", "give the name of a folder")
    strange = sorted({p.name for p in out.iterdir()} - set(texts)) if out.is_dir() else []
    if strange:
        raise PoisonkitError(f"{argument('out', out)} holds {strange[0]!r}", "give a new folder")
    out.mkdir(parents=True, exist_ok=True)
    counts = {}
    for name, (text, count) in texts.items():
        temporary = out / f"{name}.partial"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, out / name)
        counts[out / name] = count
    return Exported(counts, hint)


def lists(manifest: Manifest) -> dict[str, list[tuple[Sample, int]]]:
    """The clips of each list with the label that it gives them."""
    made: dict[str, list[tuple[Sample, int]]] = {
        split: [(s, s.label) for s in manifest.samples if s.split == split] for split in ("train", "test")
    }
    if manifest.target is not None:
        target = manifest.target.label
        for name, split in (("triggered", "test_triggered"), ("sham", "test_sham")):
            made[name] = [(s, target) for s in manifest.samples if s.split == split and s.true_label != target]
    return {name: rows for name, rows in made.items() if rows}


def _mmaction2(manifest: Manifest) -> dict[str, tuple[str, int]]:
    delimiter = _delimiter(manifest)
    return {
        f"{name}.txt": ("".join(f"{s.path}{delimiter}{label}\n" for s, label in rows), len(rows))
        for name, rows in lists(manifest).items()
    }


def _delimiter(manifest: Manifest) -> str:
    """MMAction2 splits a line at every delimiter, so that a space will not do for paths with spaces."""
    return "\t" if any(" " in s.path for s in manifest.samples) else " "


def _pytorchvideo(manifest: Manifest) -> dict[str, tuple[str, int]]:
    return {
        f"{name}.csv": ("".join(f"{s.path} {label}\n" for s, label in rows), len(rows))
        for name, rows in lists(manifest).items()
    }


def _csv(manifest: Manifest) -> dict[str, tuple[str, int]]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "path", "split", "label", "label_name", "true_label", "poisoned"])
    for s in manifest.samples:
        row: Sequence[object] = [s.id, s.path, s.split, s.label, manifest.classes[s.label], s.true_label]
        writer.writerow([*row, int(s.poisoned)])
    return {"samples.csv": (text.getvalue(), len(manifest.samples))}


WRITERS: dict[str, Callable[[Manifest], dict[str, tuple[str, int]]]] = {
    "mmaction2": _mmaction2,
    "pytorchvideo": _pytorchvideo,
    "csv": _csv,
}


def _hint(to: str, root: Path, out: Path, manifest: Manifest) -> str:
    if to == "mmaction2":
        delimiter = ", delimiter='\\t'" if _delimiter(manifest) == "\t" else ""
        return (
            f"dict(type='VideoDataset', ann_file={str(out / 'train.txt')!r}, data_prefix=dict(video={str(root)!r})"
            f"{delimiter}, pipeline=...)"
        )
    if to == "pytorchvideo":
        return (
            f"paths = LabeledVideoPaths.from_csv({str(out / 'train.csv')!r}); paths.path_prefix = {str(root)!r}; "
            "LabeledVideoDataset(paths, ...)"
        )
    return f"paths are relative to {root}"
