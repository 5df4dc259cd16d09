"""What a process that works on clips sets for itself, here or on another machine."""

from __future__ import annotations

import ctypes
import sys

_MMAP, _TRIM = -3, -1
"""glibc's names for the two settings, in `malloc.h`: M_MMAP_THRESHOLD and M_TRIM_THRESHOLD."""
_LARGEST = 2**25
"""Bytes up to which glibc raises the first by itself; the second is then twice that."""


def prepare() -> None:
    """One thread for OpenCV, since there is a worker for each core, and memory that is kept for the next frame."""
    import cv2

    cv2.setNumThreads(1)
    keep_freed()


def keep_freed() -> None:
    """Let this process keep what it frees, as glibc does where nobody has set anything; elsewhere nothing happens.

    Dask's nanny sets `MALLOC_TRIM_THRESHOLD_`, which also ends glibc's learning of how large blocks are: every frame is
    then mapped and given back, which takes a sixth of a worker's time.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if mallopt is not None:
        mallopt(_MMAP, _LARGEST)
        mallopt(_TRIM, 2 * _LARGEST)
