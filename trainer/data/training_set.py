"""What a training reads: a split's clips, decoded each time or kept, and by how many processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer import distributed
from trainer.data import frame_stores
from trainer.data.audio_datasets import AudioStore, TrainingSpectrograms
from trainer.data.frame_stores import DiskStore, FileStore, RamStore, Store
from trainer.data.video_datasets import TrainingClips
from trainer.manifest import Manifest
from trainer.presets.preset import Masks, Preset
from trainer.progress import Progress
from trainer.text import argument


@dataclass(frozen=True)
class Reading:
    """How clips are read; None takes the preset's choice of `cache`, the user's cache `folder`, and fitting `workers`.

    `rank` of `ranks` processes, `devices` of them on this machine.
    """

    cache: Literal["ram", "disk", "none"] | None = None
    folder: Path | None = None
    workers: int | None = None
    rank: int = 0
    ranks: int = 1
    devices: int = 1


@dataclass(frozen=True)
class Source:
    """Training clips by (epoch, index), with the number of worker processes that read them.

    `statistics`: mean and standard deviation of the split, where a model is normalised with them.
    """

    clips: Dataset[tuple[Tensor, int]]
    count: int
    workers: int
    statistics: tuple[float, float] | None = None


def training(manifest: Manifest, preset: Preset, seed: int, reading: Reading, progress: Progress) -> Source:
    """The training split as a preset's model is trained on it.

    Raises `TrainerError` for a clip that does not decode, and for a cache that does not fit.
    """
    samples = manifest.split("train")
    if isinstance(preset.augment, Masks):
        if reading.cache not in (None, "ram"):
            progress.say(f"audio is small and kept in memory, whatever {argument('cache', reading.cache)} says")
        with progress.stage("listening", len(samples)) as step:
            audio = AudioStore(manifest, samples, preset.short_side, step)
        workers = _workers(reading, kept=True)
        return Source(TrainingSpectrograms(audio, preset, seed), len(samples), workers, audio.statistics())
    store = keep(FileStore(manifest, samples, preset.short_side), preset, reading, progress)
    workers = _workers(reading, kept=isinstance(store, RamStore))
    return Source(TrainingClips(store, preset, seed), len(samples), workers)


def keep(files: FileStore, preset: Preset, reading: Reading, progress: Progress) -> Store:
    """Decoded clips in memory or on a disk where that was asked for, or where the preset asks and they fit."""
    need = frame_stores.bytes_of_frames(files.samples, files.short_side)
    cache = reading.cache or preset.cache
    if reading.cache is None and cache == "ram" and need * reading.devices > frame_stores.memory() // 2:
        progress.say(
            f"decoding clips again each epoch: in memory they take {need / 1e9:.0f} GB for each process; "
            f"{argument('cache', 'disk')} keeps them on a disk, {argument('cache', 'ram')} insists"
        )
        return files
    if cache == "none":
        return files
    with progress.stage("decoding", len(files.samples)) as step:
        if cache == "ram":
            return RamStore(files, step)
        folder = reading.folder or frame_stores.cache_folder()
        return DiskStore(files, folder, step, reading.rank, reading.ranks)


def _workers(reading: Reading, kept: bool) -> int:
    """Worker processes: a part of the CPUs, none where the CPU trains on what is in memory."""
    if reading.workers is not None:
        return reading.workers
    if kept and not torch.cuda.is_available():
        return 0
    return max(distributed.cpus() // reading.devices, 1)
