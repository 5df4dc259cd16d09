"""From audio to tensors: log-mel spectrograms of videos' audio tracks and of audio files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from trainer import distributed
from trainer.data.decode import open_media, waves
from trainer.errors import ClipError
from trainer.manifest import Manifest, Sample
from trainer.presets.preset import Masks, Preset
from trainer.presets.sampling import Views
from trainer.seeding import generator

RATE = 16_000
WINDOW, HOP, BINS = 400, 160, 512
"""25 ms every 10 ms."""
MAX_VALUES = 2**26
"""Channels times samples at 16 kHz that are held at once: a quarter of a gigabyte, 35 minutes of stereo."""
FLOOR = 1e-10
"""Power under which a band counts as this: −100 dB of full scale."""

Mel = NDArray[np.float32]
Wave = NDArray[np.float32]
Key = tuple[int, int]


def decode(path: Path) -> NDArray[np.float32]:
    """The audio of a video or of an audio file, mono at 16 kHz, `float32 (N,)`, full scale at ±1; the first track.

    Raises `ClipError` where there is none, where it does not decode, and where it is too long.
    """
    parts: list[NDArray[np.float32]] = []
    try:
        with open_media(path) as container:
            if not container.streams.audio:
                raise ClipError(
                    f"{path} has no audio, which this model needs", "poison or index the data set without such clips"
                )
            values = 0
            for part in waves(container, container.streams.audio[0], path, RATE):
                parts.append(part)
                values += part.size
                if values > MAX_VALUES:
                    raise ClipError(
                        f"the audio of {path} has more than the {MAX_VALUES} values that are read at once",
                        "cut it into clips and write the manifest again",
                    )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise ClipError(f"cannot decode the audio of {path} ({error})", "restore the file") from None
    if not parts:
        raise ClipError(
            f"the audio of {path} is empty", "take the clip out of the data set and write the manifest again"
        )
    # the mean of the channels, not their sum over √2 as FFmpeg mixes them: equal channels then sound like one
    made: NDArray[np.float32] = np.concatenate(parts, axis=1).mean(axis=0).astype(np.float32)
    return made


def log_mel(samples: NDArray[np.float32], bands: int) -> Mel:
    """Natural logarithm of the power in mel bands, `float32 (frames, bands)`, of audio at 16 kHz.

    Hann windows of 25 ms every 10 ms, triangles evenly spaced on O'Shaughnessy's mel scale from 0 to 8 kHz; audio that
    is shorter than a window is filled up with silence.
    """
    padded = torch.from_numpy(np.pad(samples, (0, max(WINDOW - len(samples), 0))))
    weights = torch.hann_window(WINDOW)
    frames = padded.unfold(0, WINDOW, HOP) * weights
    power = torch.fft.rfft(frames, BINS).abs() ** 2 / weights.sum() ** 2
    mel = power @ torch.from_numpy(_filters(bands))
    return cast("Mel", mel.clamp(min=FLOOR).log().numpy())


@lru_cache
def _filters(bands: int) -> NDArray[np.float32]:
    """`float32 (257, bands)`."""
    top = 2595 * math.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)
    bins = np.arange(BINS // 2 + 1)[:, None] * RATE / BINS
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return np.maximum(np.minimum(rising, falling), 0).astype(np.float32)


class AudioStore:
    """The log-mels of a split, computed once, in threads, and kept: ten seconds are a third of a megabyte."""

    def __init__(
        self, manifest: Manifest, samples: Sequence[Sample], bands: int, progress: Callable[[], None] = lambda: None
    ) -> None:
        self.samples = samples

        def read(sample: Sample) -> Mel:
            mel = log_mel(decode(manifest.file_of(sample)), bands)
            progress()
            return mel

        with ThreadPoolExecutor(distributed.cpus()) as pool:
            self.mels = list(pool.map(read, samples))

    def statistics(self) -> tuple[float, float]:
        """Mean and standard deviation over all frames and bands."""
        every = np.concatenate(self.mels)
        return round(float(every.mean()), 4), round(max(float(every.std()), 1e-3), 4)


class TrainingSpectrograms(Dataset[tuple[Tensor, int]]):
    """Training spectrograms `float32 (1, F, B)` with labels; each is a function of (seed, epoch, sample)."""

    def __init__(self, store: AudioStore, preset: Preset, seed: int) -> None:
        self.store, self.preset, self.seed = store, preset, seed

    def __len__(self) -> int:
        return len(self.store.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, index = key
        sample, mel = self.store.samples[index], self.store.mels[index]
        rng = generator(self.seed, "sound", epoch, sample.id)
        frames = mel[self.preset.sampling.train(len(mel), None, rng)]
        if isinstance(self.preset.augment, Masks):
            frames = augment(frames, self.preset.augment, rng)
        return torch.from_numpy(frames)[None], sample.label


def augment(frames: Mel, how: Masks, rng: np.random.Generator) -> Mel:
    """Roll a spectrogram in time, make it louder or fainter, and hide bands and stretches behind its mean.

    Source: SpecAugment (Park et al. 2019), without warping.
    """
    rolled = np.roll(frames, int(rng.integers(len(frames))), axis=0) if how.roll else frames.copy()
    rolled += np.float32(rng.uniform(-how.gain_db, how.gain_db) * math.log(10) / 10)
    mean = rolled.mean()
    for _ in range(how.count):
        for axis, most in ((0, how.frames), (1, how.bands)):
            width = int(rng.integers(min(most, rolled.shape[axis]) + 1))
            first = int(rng.integers(rolled.shape[axis] - width + 1))
            hidden = slice(first, first + width)
            rolled[hidden if axis == 0 else (slice(None), hidden)] = mean
    return rolled


class TestSpectrograms(Dataset[Tensor]):
    """All views of a test clip's audio: `float32 (V, 1, F, B)`; `change` alters the wave `(N,)` beforehand."""

    __test__ = False  # not a test case, whatever its name looks like

    def __init__(
        self,
        manifest: Manifest,
        samples: Sequence[Sample],
        preset: Preset,
        views: Views,
        change: Callable[[Wave], Wave] | None = None,
    ) -> None:
        self.manifest, self.samples, self.preset, self.views = manifest, samples, preset, views
        self.change = change

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        wave = decode(self.manifest.file_of(self.samples[index]))
        if self.change is not None:
            wave = self.change(wave)
        mel = log_mel(wave, self.preset.short_side)
        windows = self.preset.sampling.test(len(mel), None, self.views.windows)
        return torch.from_numpy(np.stack([mel[window] for window in windows]))[:, None]
