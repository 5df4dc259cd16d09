"""Where the frames of a split come from: decoded each time, or once into memory or onto a disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import av
import numpy as np

from trainer import distributed
from trainer.data import decode
from trainer.data.crops import Frames, short_side_size
from trainer.errors import ClipError, TrainerError
from trainer.manifest import Manifest, Sample
from trainer.presets.sampling import Indices
from trainer.text import argument


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
            raise ClipError(f"sample {sample.id!r} has no frames", "this model needs video")
        return decode.decode(self.path(index), sample.num_frames, self.short_side, indices)

    def path(self, index: int) -> Path:
        """The media file of a sample."""
        return self.manifest.file_of(self.samples[index])


class ChangedStore:
    """Changes clips before a model sees any of their frames: `change` gets all frames and gives as many."""

    def __init__(self, files: FileStore, change: Callable[[Frames], Frames]) -> None:
        self.files, self.samples, self.change = files, files.samples, change

    def frames(self, index: int, indices: Indices) -> Frames:
        return self.change(self.files.frames(index, None))[indices]


class RamStore:
    """Decodes each clip once, in threads, and keeps its frames in memory."""

    def __init__(self, files: FileStore, progress: Callable[[], None] = lambda: None) -> None:
        self.samples = files.samples

        def read(index: int) -> Frames:
            frames = files.frames(index, None)
            progress()
            return frames

        with ThreadPoolExecutor(distributed.cpus()) as pool:
            self.clips = list(pool.map(read, range(len(self.samples))))

    def frames(self, index: int, indices: Indices) -> Frames:
        return _rows(self.clips[index], indices)


class DiskStore:
    """Decodes each clip once into a file of raw frames, which this run and later ones map into memory.

    A file is known by the clip's place on its disk, its size and time of change, the short side and the decoder, so
    that hard links share one and a changed clip is decoded again. `rank` of `ranks`: the clips that this process
    decodes beforehand; the others it decodes when they are asked for, if no other process has. Raises `TrainerError`
    when the disk has no room.
    """

    def __init__(
        self,
        files: FileStore,
        folder: Path,
        progress: Callable[[], None] = lambda: None,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.files, self.samples, self.folder = files, files.samples, folder
        folder.mkdir(parents=True, exist_ok=True)
        missing = [k for k in range(len(self.samples)) if not self._file(k).exists()]
        need = bytes_of_frames([self.samples[k] for k in missing], files.short_side)
        free = shutil.disk_usage(folder).free
        if need > free:
            raise TrainerError(
                f"decoded frames take {need / 1e9:.0f} GB, {folder} has {free / 1e9:.0f} GB free",
                f"name another folder with {argument('cache_dir')}, or take {argument('cache', 'none')}",
            )

        def read(index: int) -> None:
            if index % ranks == rank and index in wanted:
                self._write(index)
            progress()

        wanted = set(missing)
        with ThreadPoolExecutor(distributed.cpus()) as pool:
            list(pool.map(read, range(len(self.samples))))

    def frames(self, index: int, indices: Indices) -> Frames:
        path = self._file(index)
        if not path.exists():
            self._write(index)
        try:
            frames = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError):  # damaged: cut off by a full disk, say
            frames = self._write(index)
        if len(frames) != self.samples[index].num_frames:  # another manifest knew another number: decoding will tell
            return self.files.frames(index, indices)
        return _rows(np.asarray(frames), indices)

    def _file(self, index: int) -> Path:
        path = self.files.path(index)
        try:
            state = path.stat()
        except OSError as error:
            raise ClipError(f"cannot read {path}: {error.strerror}", "restore the file") from None
        known = (state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns)
        key = repr((known, self.files.short_side, av.__version__, av.library_versions))
        return self.folder / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.npy"

    def _write(self, index: int) -> Frames:
        frames = self.files.frames(index, None)
        path = self._file(index)
        partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.partial")
        with partial.open("wb") as file:
            np.save(file, frames)
        os.replace(partial, path)
        return frames


def _rows(frames: Frames, indices: Indices) -> Frames:
    """Some frames of a clip; evenly spaced ones are a view, of which a crop copies only what it shows."""
    steps = set(np.diff(indices).tolist())
    if len(steps) == 1 and (step := steps.pop()) > 0:
        return frames[int(indices[0]) : int(indices[-1]) + 1 : step]
    return frames[indices]


def bytes_of_frames(samples: Sequence[Sample], short_side: int) -> int:
    """What the decoded frames of these samples take."""
    total = 0
    for sample in samples:
        height, width = short_side_size(max(sample.height, 1), max(sample.width, 1), short_side)
        total += sample.num_frames * height * width * 3
    return total


def cache_folder() -> Path:
    """Where decoded frames are kept unless another folder is named."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "trainer" / "frames"


def memory() -> int:
    """The memory that this process may use in bytes: the machine's, or less in a container that has a limit."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(found, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    except (OSError, ValueError):  # no limit is the word "max"
        return found
