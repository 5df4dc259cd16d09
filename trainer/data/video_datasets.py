"""From clips to tensors: what training and tests read, and the order in which they read it."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from trainer.data import crops
from trainer.data.crops import Frames
from trainer.data.frame_stores import Store
from trainer.data.loader import Key, _channels_last
from trainer.presets.preset import Augment, Preset
from trainer.presets.sampling import Views
from trainer.seeding import generator

LUT_BYTES = 2**17
"""How much goes through a table at once: too little for OpenCV to start threads, which a forked worker must not."""


class TrainingClips(Dataset[tuple[Tensor, int]]):
    """Training clips `uint8 (3, T, S, S)` with labels; each is a function of (seed, epoch, sample)."""

    def __init__(self, store: Store, preset: Preset, seed: int) -> None:
        self.store, self.preset, self.seed = store, preset, seed

    def __len__(self) -> int:
        return len(self.store.samples)

    def __getitem__(self, key: Key) -> tuple[Tensor, int]:
        epoch, index = key
        sample, preset = self.store.samples[index], self.preset
        rng = generator(self.seed, "clip", epoch, sample.id)
        frames = self.store.frames(index, preset.sampling.train(sample.num_frames, sample.stride, rng))
        if not isinstance(preset.augment, Augment):
            raise TypeError(f"{preset.name} is a preset of audio")
        return augment(frames, preset.augment, preset.crop_size, rng), sample.label


def augment(frames: Frames, how: Augment, size: int, rng: np.random.Generator) -> Tensor:
    """Draw a crop, a mirroring, and a change of contrast and brightness, the same for all frames."""
    height, width = frames.shape[1:3]
    if how.crop == "resized":
        box = crops.resized_crop(height, width, (how.scales[0], how.scales[-1]), how.aspect, rng)
    elif how.crop == "area":
        box = crops.area_crop(height, width, (how.scales[0], how.scales[-1]), how.aspect, rng)
    else:
        box = crops.multi_scale_crop(height, width, how.scales, rng, how.gap, how.places)
    clip = crops.cut(frames, box, size, flip=how.flip and bool(rng.integers(2)))
    if how.jitter:
        contrast, brightness = (
            1 + rng.uniform(-how.jitter, how.jitter),
            rng.uniform(-how.jitter, how.jitter) * 128,
        )
        # pictures are bytes, so that the change is a table of 256 values
        table = ((torch.arange(256) - 128) * contrast + 128 + brightness).round().clamp(0, 255).to(torch.uint8).numpy()
        lying = _channels_last(clip).numpy()
        changed = np.empty_like(lying)
        before, after = lying.reshape(-1), changed.reshape(-1)
        for start in range(0, before.size, LUT_BYTES):
            cv2.LUT(before[start : start + LUT_BYTES], table, after[start : start + LUT_BYTES])
        clip = torch.from_numpy(changed).permute(3, 0, 1, 2)
    return clip


class TestClips(Dataset[Tensor]):
    """All views of a test clip: `uint8 (V, 3, T, S, S)`."""

    __test__ = False  # not a test case, whatever its name looks like

    def __init__(self, store: Store, preset: Preset, views: Views) -> None:
        self.store, self.preset, self.views = store, preset, views

    def __len__(self) -> int:
        return len(self.store.samples)

    def __getitem__(self, index: int) -> Tensor:
        sample = self.store.samples[index]
        windows = self.preset.sampling.test(sample.num_frames, sample.stride, self.views.windows)
        # decoded together, since a file store goes through the whole clip each time
        wanted, places = np.unique(np.concatenate(windows), return_inverse=True)
        frames = self.store.frames(index, wanted)
        places = places.reshape(len(windows), -1)
        height, width = frames.shape[1:3]
        boxes = crops.view_boxes(height, width, self.views.crops, self.views.size)
        # windows share frames, so that each is cut once
        cut = [_channels_last(crops.cut(frames, box, self.views.size, flip)) for box, flip in boxes]
        views = torch.stack([pictures[place] for place in torch.from_numpy(places) for pictures in cut])
        return views.permute(0, 4, 1, 2, 3)
