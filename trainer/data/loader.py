"""Clips handed to training and testing in batches: order, workers, errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from trainer.errors import TrainerError
from trainer.seeding import generator

Key = tuple[int, int]
"""(epoch, index of the sample): what a training clip is drawn from, besides the seed."""


class EpochBatches(Sampler[list[Key]]):
    """Batches of keys in an order that is a function of (seed, epoch), dealt out to the processes of a group.

    A step of the optimizer sees `batch_size` clips, whatever the number of processes `ranks`: each gets its part, in
    `accumulate` batches one after another, or fewer where there are not so many clips. Steps and batches differ by one
    clip at most, since the statistics of a left-over batch of one or two clips are noise. Every process gets equally
    many, filled up from the epoch's beginning.
    """

    def __init__(
        self, samples: int, batch_size: int, seed: int, rank: int = 0, ranks: int = 1, accumulate: int = 1
    ) -> None:
        self.samples, self.seed, self.rank, self.ranks = samples, seed, rank, ranks
        self.samples_per_rank = -(-samples // ranks)
        self.steps = min(-(-samples // batch_size), self.samples_per_rank)
        self.accumulate = min(accumulate, self.samples_per_rank // self.steps)  # none is empty
        self.epoch = 0
        self.first = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def start_at(self, batch: int) -> None:
        """Leave out so many batches of the next round, which an interrupted run has had already."""
        self.first = batch

    def __len__(self) -> int:
        return self.steps * self.accumulate

    def __iter__(self) -> Iterator[list[Key]]:
        first, self.first = self.first, 0
        order = generator(self.seed, "order", self.epoch).permutation(self.samples)
        own = np.resize(order, self.samples_per_rank * self.ranks)[self.rank :: self.ranks]
        steps = np.array_split(own, self.steps)
        for batch in [part for step in steps for part in np.array_split(step, self.accumulate)][first:]:
            yield [(self.epoch, int(index)) for index in batch]


class TrainingLoader:
    """Batches of training clips and labels `int64 (N,)`, read by `workers` processes.

    Video is `uint8 (N, 3, T, S, S)` with their channels last in memory, audio is `float32 (N, 1, F, B)`. The state
    is the place within an epoch, so that a run interrupted there goes on with the batch that comes next. `sampler` is
    where Lightning looks for `set_epoch`.
    """

    def __init__(self, clips: Dataset[tuple[Tensor, int]], sampler: EpochBatches, workers: int) -> None:
        self.sampler = sampler
        self._given = 0
        self._loader = DataLoader(
            _ErrorsAsItems(clips),
            batch_sampler=sampler,
            num_workers=workers,
            collate_fn=_collate,
            persistent_workers=workers > 0,
        )

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self._given = self.sampler.first
        for batch in _raising(self._loader):
            self._given += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """The number of batches of this epoch that were given out."""
        return {"batches": self._given % len(self)}

    @contextmanager
    def last_taken_back(self) -> Iterator[None]:
        """Meanwhile the state is that before the last batch was given out."""
        self._given -= 1
        try:
            yield
        finally:
            self._given += 1

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on after so many batches."""
        self.sampler.start_at(state["batches"])


def read_views(clips: Dataset[Tensor], workers: int) -> Iterator[Tensor]:
    """The views of every test clip in order, read by `workers` processes."""
    return _raising(DataLoader(_ErrorsAsItems(clips), batch_size=None, num_workers=workers))


class _ErrorsAsItems(Dataset[Any]):
    """Gives an error as a value: raised in a worker, its sentence would arrive wrapped in a traceback."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.data[key]
        except TrainerError as error:
            return error


def _collate(items: list[Any]) -> Any:
    errors = [item for item in items if isinstance(item, TrainerError)]
    if errors:
        return errors[0]
    clips, labels = zip(*items, strict=True)
    if clips[0].ndim == 3:
        return torch.stack(clips), torch.tensor(labels)
    # videos keep their channels last, as the networks take them: turning them around costs more than the crop
    return torch.stack([_channels_last(clip) for clip in clips]).permute(0, 4, 1, 2, 3), torch.tensor(labels)


def _channels_last(clip: Tensor) -> Tensor:
    """A clip `(3, T, S, S)` as `(T, S, S, 3)`, which is how `crops.cut` leaves it in memory: no copy."""
    return clip.permute(1, 2, 3, 0).contiguous()


def _raising(loader: Iterable[Any]) -> Iterator[Any]:
    for item in loader:
        if isinstance(item, TrainerError):
            raise item
        yield item
