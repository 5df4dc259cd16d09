"""The only place where a seed becomes numbers.

Every random choice has a key of its own, (seed, sample id, stage), hashed by BLAKE2b: it depends neither on the
order in which clips are worked on, nor on the number of workers, nor on Python's process-global state.
"""

from __future__ import annotations

import hashlib

import numpy as np

SHARED = "*"
"""The sample id under which a choice is made once for the whole data set."""


def key(seed: int, sample_id: str, stage: str) -> int:
    """A 128-bit integer for one choice; equal keys on every machine, different stages are independent."""
    # the lengths keep ("ab", "c") and ("a", "bc") apart
    text = f"{seed}|{len(sample_id)}|{sample_id}|{stage}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def generator(seed: int, sample_id: str, stage: str) -> np.random.Generator:
    """The generator of one choice: PCG64, whose raw stream NumPy keeps stable across versions."""
    return np.random.Generator(np.random.PCG64(key(seed, sample_id, stage)))
