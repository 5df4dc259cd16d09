"""Where the frames of a split come from: decoded each time, or once into memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from trainer import media
from trainer.crops import Frames, short_side_size
from trainer.errors import ClipError
from trainer.manifest import Manifest, Sample
from trainer.sampling import Indices


class Store(Protocol):
    """Gives frames of the clips of a split."""

    samples: Sequence[Sample]

    def frames(self, index: int, indices: Indices) -> Frames:
        """Frames `uint8 (len(indices), H, W, 3)` of one sample."""


class FileStore:
    """Decodes a clip each time that it is asked for."""

    def __init__(self, manifest: Manifest, samples: Sequence[Sample], short_side: int) -> None:
        self.manifest, self.samples, self.short_side = manifest, samples, short_side

    def frames(self, index: int, indices: Indices | None) -> Frames:
        sample = self.samples[index]
        if sample.num_frames < 1:
            raise ClipError(f"sample {sample.id!r} has no frames; this model needs pictures")
        return media.decode(self.manifest.file_of(sample), sample.num_frames, self.short_side, indices)


class RamStore:
    """Decodes each clip once, in threads, and keeps its frames in memory."""

    def __init__(self, files: FileStore, progress: Callable[[], None] = lambda: None) -> None:
        self.samples = files.samples

        def read(index: int) -> Frames:
            frames = files.frames(index, None)
            progress()
            return frames

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self.clips = list(pool.map(read, range(len(self.samples))))

    def frames(self, index: int, indices: Indices) -> Frames:
        return self.clips[index][indices]


def bytes_in_ram(samples: Sequence[Sample], short_side: int) -> int:
    """What a `RamStore` of these samples takes."""
    total = 0
    for sample in samples:
        height, width = short_side_size(max(sample.height, 1), max(sample.width, 1), short_side)
        total += sample.num_frames * height * width * 3
    return total


def memory() -> int:
    """The machine's memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
