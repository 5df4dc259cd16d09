"""Batch norm over the clips of several processes on CPUs: PyTorch's own synchronised one is for GPUs alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed import all_reduce, is_initialized
from torch.nn.modules.batchnorm import _BatchNorm


class _Total(torch.autograd.Function):
    """The sum over all processes; what it is used for in each of them has a part in its gradient."""

    @staticmethod
    def forward(ctx: Any, part: Tensor) -> Tensor:
        total = part.clone()
        all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        all_reduce(total)
        return total


def _total(part: Tensor) -> Tensor:
    total: Tensor = _Total.apply(part)
    return total


class CpuSyncBatchNorm(_BatchNorm):
    """Batch norm that trains with mean and variance of all processes' clips together; else PyTorch's.

    Source: Ioffe and Szegedy 2015; the sums over processes as in `torch.nn.SyncBatchNorm`.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions will do."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise `(N, C, …)` by the channels' statistics."""
        if not self.training or not is_initialized():
            return super().forward(input)
        axes, shape = [0, *range(2, input.ndim)], [1, -1, *[1] * (input.ndim - 2)]
        values = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        # in double precision, as PyTorch's own on CPUs: where a channel hardly varies, rounding is seen
        own = torch.full((1,), values.numel() / values.shape[1], dtype=torch.float64)
        sums = _total(torch.cat([values.sum(axes, dtype=torch.float64), own]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = values - mean.to(values.dtype).view(shape)
        variance = _total((centred * centred).sum(axes, dtype=torch.float64)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        made = centred * torch.rsqrt(variance + self.eps).to(values.dtype).view(shape)
        if self.affine:
            made = made * self.weight.view(shape) + self.bias.view(shape)
        return made.to(input.dtype)

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        for kept, seen in ((self.running_mean, mean), (self.running_var, variance)):
            kept.lerp_(seen.to(kept.dtype), weight)


def convert_sync_batchnorm(model: nn.Module) -> None:
    """Let every batch norm of a model take its statistics over all processes; names and weights stay the same."""
    for name, child in model.named_children():
        if not isinstance(child, _BatchNorm):
            convert_sync_batchnorm(child)
            continue
        made = CpuSyncBatchNorm(child.num_features, child.eps, child.momentum, child.affine, child.track_running_stats)
        made.weight, made.bias = child.weight, child.bias
        made.running_mean, made.running_var = child.running_mean, child.running_var
        made.num_batches_tracked = child.num_batches_tracked
        setattr(model, name, made.train(child.training))
