"""What a model makes of clips: features, logits and probabilities, once a clip, and kept in a run's folder."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softmax
from torch.utils.data import Dataset

from trainer import distributed, files
from trainer.data.audio_datasets import TestSpectrograms
from trainer.data.frame_stores import ChangedStore, FileStore
from trainer.data.loader import read_views
from trainer.data.video_datasets import TestClips
from trainer.manifest import Manifest, Sample
from trainer.models import weights
from trainer.models._base import Victim
from trainer.presets.preset import Preset
from trainer.presets.sampling import Views
from trainer.progress import Progress
from trainer.runs.loaded_run import Trained

VIEWS_AT_ONCE = 32

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Observed:
    """Means over the views of each clip: `features (N, D)`, `logits (N, C)`, `probabilities (N, C)`."""

    ids: list[str]
    features: Array
    logits: Array
    probabilities: Array

    def of(self, ids: Sequence[str]) -> Observed:
        """The rows of some clips, in their order."""
        place = {identity: k for k, identity in enumerate(self.ids)}
        rows = [place[identity] for identity in ids]
        return Observed(list(ids), self.features[rows], self.logits[rows], self.probabilities[rows])


def observe(
    model: Victim,
    manifest: Manifest,
    samples: Sequence[Sample],
    preset: Preset,
    views: Views,
    step: Callable[[], None] = lambda: None,
    change: Callable[[Any], Any] | None = None,
) -> Observed:
    """Show every sample to a model, in all views; `change` alters its frames or its wave beforehand."""
    rows = []
    for clip in read(model, manifest, samples, preset, views, change):
        rows.append([part.mean(dim=0).numpy() for part in forward_views(model, clip)])
        step()
    columns = [np.stack(column) for column in zip(*rows, strict=True)] if rows else [np.zeros((0, 0))] * 3
    return Observed([sample.id for sample in samples], *columns)


def read(
    model: Victim,
    manifest: Manifest,
    samples: Sequence[Sample],
    preset: Preset,
    views: Views,
    change: Callable[[Any], Any] | None = None,
) -> Iterator[Tensor]:
    """The views `(V, ...)` of every sample in order, as a model takes them."""
    clips: Dataset[Tensor]
    if model.modality == "audio":
        clips = TestSpectrograms(manifest, samples, preset, views, change)
    else:
        store = FileStore(manifest, samples, views.short_side)
        clips = TestClips(store if change is None else ChangedStore(store, change), preset, views)
    return read_views(clips, max(distributed.cpus() - 1, 1) if torch.cuda.is_available() else 1)


def forward_views(model: Victim, views: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features `(V, D)`, logits `(V, C)` and probabilities `(V, C)` of views, in double precision on the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = weights.to_channels_last(model).to(device).eval()
    with torch.inference_mode():
        features = torch.cat([model.features(part.to(device)) for part in views.split(VIEWS_AT_ONCE)])
        logits = model.head(features).double()
        return features.double().cpu(), logits.cpu(), softmax(logits, dim=1).cpu()


def of_run(run: Trained, split: str, progress: Progress, other: Manifest | None = None) -> Observed:
    """What a run makes of a split of its own manifest in its own views; computed once and kept in `features/`.

    `other`: the manifest to take the split of instead.
    """
    manifest = run.manifest if other is None or other.sha256 == run.manifest.sha256 else other
    samples = manifest.split(split)
    views = run.views.as_name
    name = f"{split}-{views}" if manifest is run.manifest else f"{split}-{views}-{manifest.sha256[:16]}"
    path, stamp = run.folder / "features" / f"{name}.npz", run.stamp_on(manifest)
    kept = _read(path, stamp)
    if kept is not None:
        return kept
    with progress.stage(f"{run.folder.name}: {manifest.name} {split}", len(samples)) as step:
        seen = observe(run.model, manifest, samples, run.preset, run.views, step)
    path.parent.mkdir(exist_ok=True)
    kept_as = io.BytesIO()
    np.savez(
        kept_as,
        stamp=stamp,
        ids=np.array(seen.ids, dtype=np.str_),
        features=seen.features,
        logits=seen.logits,
        probabilities=seen.probabilities,
    )
    files.write(path, kept_as.getvalue())
    return seen


def _read(path: Path, stamp: str) -> Observed | None:
    """What was kept, if it is whole and of these weights and this manifest."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if str(kept["stamp"]) != stamp:
                return None
            return Observed(kept["ids"].tolist(), kept["features"], kept["logits"], kept["probabilities"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
        return None
