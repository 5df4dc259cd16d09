"""Clips per second that a training reads, beside bare decoding of the same frames to the same size.

Usage: python -m benchmarks.loader [--data FOLDER] [--rounds 5]; exit code 1 where a bar is missed.

All are measured in turn, round after round, an epoch each, with two worker processes of one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import av
import cv2
import numpy as np
import torch
from av.video.reformatter import Interpolation, VideoReformatter

from benchmarks.copies import clean, source
from benchmarks.measuring import Asked, Figure, command, ratios
from poisonkit.media.container import LENIENT
from trainer import models
from trainer.data.crops import short_side_size
from trainer.data.frame_stores import DiskStore, FileStore, RamStore, Store
from trainer.data.loader import EpochBatches, TrainingLoader
from trainer.data.video_datasets import TrainingClips
from trainer.presets.preset import Preset
from trainer.seeding import generator

DECODING, MEMORY = 0.9, 10.0
MODEL, SEED, WORKERS = "i3d", 0, 2
SIZE = (320, 240)
"""That of UCF-101."""


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
    with av.open(str(task.path), **LENIENT) as container:
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


def figures(asked: Asked) -> Iterator[Figure]:
    """The loader beside bare decoding, and from memory."""
    torch.set_num_threads(1)
    made = clean(asked, source(asked, size=SIZE))
    samples = made.split("train")
    preset = models.preset_of(MODEL, "mini")
    files = FileStore(made, samples, preset.short_side)
    stores: dict[str, Store] = {
        "decoding": files,
        "disk": DiskStore(files, asked.folder / "frames"),
        "memory": RamStore(files),
    }
    rates = measure(files, stores, preset, asked.rounds)
    fastest = max((name for name in rates if name in LIBRARIES), key=lambda name: median(rates[name]))
    yield Figure(f"loader, decoding ÷ {fastest} alone", DECODING, ratios(rates["decoding"], rates[fastest]))
    yield Figure("loader, from memory ÷ the same decoding", MEMORY, ratios(rates["memory"], rates["decoding"]))
    yield Figure("loader, from the disk cache ÷ the same decoding", 1.0, ratios(rates["disk"], rates["decoding"]))


def measure(files: FileStore, stores: dict[str, Store], preset: Preset, rounds: int) -> dict[str, list[float]]:
    """Clips per second of every reader in every round, each round one epoch."""
    rates: dict[str, list[float]] = {}
    with ProcessPoolExecutor(WORKERS) as pool:
        libraries = {name: read for name, read in LIBRARIES.items() if usable(read, tasks(files, preset, 0)[0])}
        loaders = {name: loader(store, preset) for name, store in stores.items()}
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


def loader(store: Store, preset: Preset) -> TrainingLoader:
    """Batches as a training reads them, crops and all."""
    sampler = EpochBatches(len(store.samples), preset.recipe.batch_size, SEED)
    return TrainingLoader(TrainingClips(store, preset, SEED), sampler, WORKERS)


def usable(read: Callable[[Task], int], task: Task) -> bool:
    """Whether a library is installed and reads such clips."""
    try:
        return read(task) == len(task.wanted)
    except (ImportError, RuntimeError, OSError):
        return False


if __name__ == "__main__":
    sys.exit(command(__doc__, figures, "loader"))
