"""A linear classifier on features of several networks: multinomial logistic regression, the same every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

Array = NDArray[np.float64]

DECAY = 1e-4
"""Weight of half the squared norm of the weights, beside the mean cross entropy."""


@dataclass(frozen=True)
class Linear:
    """`weight (D, C)` and `bias (C,)` on features less their `mean (D,)` over their `scale (D,)`.

    D is the sum over the networks. Each feature is brought to unit deviation over the training clips, and each network
    to the same total variance, so that a wide one does not outvote a narrow one.
    """

    mean: Array
    scale: Array
    weight: Array
    bias: Array

    @classmethod
    def fitted(cls, features: Sequence[Array], labels: NDArray[np.int64], classes: int) -> Linear:
        """Fit to features `(N, D)` of each network and labels `(N,)`; from zero, in double precision, by L-BFGS."""
        joined = np.concatenate(features, axis=1)
        mean = joined.mean(axis=0)
        widths = np.concatenate([np.full(part.shape[1], np.sqrt(part.shape[1])) for part in features])
        scale = np.maximum(joined.std(axis=0), 1e-6) * widths
        x, y = torch.from_numpy((joined - mean) / scale), torch.from_numpy(labels)
        weight = torch.zeros(x.shape[1], classes, dtype=torch.float64, requires_grad=True)
        bias = torch.zeros(classes, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=500, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            value = cross_entropy(x @ weight + bias, y) + DECAY / 2 * weight.square().sum()
            value.backward()
            return value

        optimizer.step(loss)
        return cls(mean, scale, weight.detach().numpy(), bias.detach().numpy())

    def logits(self, features: Sequence[Array]) -> Array:
        """Scores `(N, C)` before softmax."""
        return np.asarray((np.concatenate(features, axis=1) - self.mean) / self.scale @ self.weight + self.bias)

    def saved(self) -> bytes:
        """As the bytes of an npz file."""
        file = io.BytesIO()
        np.savez(file, mean=self.mean, scale=self.scale, weight=self.weight, bias=self.bias)
        return file.getvalue()

    @classmethod
    def loaded(cls, content: bytes) -> Linear:
        """From those bytes."""
        with np.load(io.BytesIO(content), allow_pickle=False) as kept:
            return cls(kept["mean"], kept["scale"], kept["weight"], kept["bias"])


def softmax(logits: Array) -> Array:
    """Over the last axis."""
    return torch.softmax(torch.from_numpy(logits), dim=-1).numpy()
