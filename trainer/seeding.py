"""The only place where a seed becomes numbers.

Every random choice has a key of its own, such as (seed, epoch, clip), so that it depends neither on the order
in which clips are loaded, nor on the number of workers, nor on whether the run was interrupted.
"""

from __future__ import annotations

import hashlib

import numpy as np


def generator(*key: int | str) -> np.random.Generator:
    """The generator of one choice; equal keys give equal numbers on every machine."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "big")))


def torch_seed(*key: int | str) -> int:
    """A 63-bit seed for `torch.manual_seed`."""
    return int(generator(*key).integers(2**63 - 1))
