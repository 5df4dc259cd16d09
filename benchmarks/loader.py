"""Clips per second that a training reads, beside bare decoding of the same frames to the same size.

Usage: python benchmarks/loader.py MANIFEST [--model i3d] [--preset mini] [--workers 2] [--rounds 5] [--clips 360]

All are measured in turn, round after round, with as many worker processes of one thread each; the ratios of the medians
are held to limits: the loader that decodes to 0.8 times the fastest library, that from memory to 10 times that loader.
Exit code 1 when a limit is missed.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import av
import cv2
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter
from rich.console import Console
from rich.table import Table

from trainer import manifest as manifests
from trainer import models
from trainer.clips import EpochBatches, TrainingClips, TrainingLoader
from trainer.crops import short_side_size
from trainer.presets import Preset
from trainer.seeding import generator
from trainer.stores import DiskStore, FileStore, RamStore, Store

DECODING, MEMORY = 0.8, 10.0
SEED = 0


@dataclass(frozen=True)
class Task:
    """One clip: its file, the frames wanted, ascending, and their size (height, width)."""

    path: Path
    wanted: tuple[int, ...]
    height: int
    width: int


def with_opencv(task: Task) -> int:
    """Count of frames that OpenCV decoded, in RGB and scaled."""
    cv2.setNumThreads(1)
    capture = cv2.VideoCapture(str(task.path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    wanted, done = set(task.wanted), 0
    for k in range(task.wanted[-1] + 1):
        if not capture.grab():
            break
        if k in wanted:
            frame = cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
            cv2.resize(frame, (task.width, task.height), interpolation=cv2.INTER_AREA)
            done += 1
    return done


def with_pyav(task: Task) -> int:
    """The same with PyAV."""
    wanted, done, reformat = set(task.wanted), 0, VideoReformatter()
    with av.open(str(task.path), metadata_errors="ignore") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        for k, frame in enumerate(container.decode(stream)):
            if k in wanted:
                reformat.reformat(
                    frame, task.width, task.height, "rgb24", interpolation=Interpolation.AREA, threads=1
                ).to_ndarray()
                done += 1
            if k == task.wanted[-1]:
                break
    return done


def with_torchcodec(task: Task) -> int:
    """The same with torchcodec."""
    from torchcodec.decoders import VideoDecoder  # type: ignore[import-not-found]

    decoder = VideoDecoder(str(task.path), num_ffmpeg_threads=1, seek_mode="exact")
    frames = decoder.get_frames_at(list(task.wanted)).data
    torch.nn.functional.interpolate(frames.float(), (task.height, task.width), mode="area").byte()
    return len(frames)


LIBRARIES: dict[str, Callable[[Task], int]] = {"OpenCV": with_opencv, "PyAV": with_pyav, "torchcodec": with_torchcodec}


def main() -> int:
    """Measure all of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--model", default="i3d")
    parser.add_argument("--preset", default="mini")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clips", type=int, default=360)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    made = manifests.load(asked.manifest)
    samples = made.split("train")[: asked.clips]
    preset = models.preset_of(asked.model, asked.preset)
    files = FileStore(made, samples, preset.short_side)
    with TemporaryDirectory() as folder:
        stores: dict[str, Store] = {
            "loader, decoding": files,
            "loader, disk cache": DiskStore(files, Path(folder)),
            "loader, memory": RamStore(files),
        }
        rates = measure(files, stores, preset, asked.workers, asked.rounds)
    return report(rates, preset, len(samples), asked.workers)


def measure(
    files: FileStore, stores: dict[str, Store], preset: Preset, workers: int, rounds: int
) -> dict[str, list[float]]:
    """Clips per second of every reader in every round, each round one epoch."""
    rates: dict[str, list[float]] = {}
    with ProcessPoolExecutor(workers) as pool:
        libraries = {name: read for name, read in LIBRARIES.items() if usable(read, tasks(files, preset, 0)[0])}
        loaders = {name: loader(store, preset, workers) for name, store in stores.items()}
        for epoch in range(rounds + 1):
            listed = tasks(files, preset, epoch)
            for name, read in libraries.items():
                begun = time.perf_counter()
                counts = list(pool.map(read, listed))
                taken = time.perf_counter() - begun
                if counts != [len(task.wanted) for task in listed]:
                    raise RuntimeError(f"{name} did not give all frames")
                rates.setdefault(name, []).append(len(listed) / taken)
            for name, batches in loaders.items():
                batches.sampler.set_epoch(epoch)
                begun = time.perf_counter()
                count = sum(len(labels) for _, labels in batches)
                rates.setdefault(name, []).append(count / (time.perf_counter() - begun))
    return {name: values[1:] for name, values in rates.items()}  # the first round fills caches and starts processes


def tasks(files: FileStore, preset: Preset, epoch: int) -> list[Task]:
    """What `TrainingClips` reads in an epoch."""
    listed = []
    for k, sample in enumerate(files.samples):
        rng = generator(SEED, "clip", epoch, sample.id)
        wanted = np.unique(preset.sampling.train(sample.num_frames, sample.stride, rng))
        height, width = short_side_size(sample.height, sample.width, preset.short_side)
        listed.append(Task(files.path(k), tuple(wanted.tolist()), height, width))
    return listed


def loader(store: Store, preset: Preset, workers: int) -> TrainingLoader:
    """Batches as a training reads them, crops and all."""
    sampler = EpochBatches(len(store.samples), preset.recipe.batch_size, SEED)
    return TrainingLoader(TrainingClips(store, preset, SEED), sampler, workers)


def usable(read: Callable[[Task], int], task: Task) -> bool:
    """Whether a library is installed and reads such clips."""
    try:
        return read(task) == len(task.wanted)
    except (ImportError, RuntimeError, OSError):
        return False


def report(rates: dict[str, list[float]], preset: Preset, clips: int, workers: int) -> int:
    """Print the table and say whether the limits hold."""
    middle = {name: median(values) for name, values in rates.items()}
    fastest = max((name for name in middle if name in LIBRARIES), key=lambda name: middle[name])
    table = Table(title=f"{clips} clips, {preset.name}, {workers} workers: clips/s", title_justify="left")
    for column in ("reader", "median", "least", "most", f"÷ {fastest}"):
        table.add_column(column, justify="left" if column == "reader" else "right")
    for name, values in rates.items():
        numbers = [f"{value:.1f}" for value in (middle[name], min(values), max(values))]
        table.add_row(name, *numbers, f"{middle[name] / middle[fastest]:.2f}")
    Console().print(table)
    decoding = middle["loader, decoding"] / middle[fastest]
    memory = middle["loader, memory"] / middle["loader, decoding"]
    print(f"decoding loader ÷ {fastest}: {decoding:.2f} (limit {DECODING}); memory ÷ decoding: {memory:.1f} ({MEMORY})")
    return 0 if decoding >= DECODING and memory >= MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
