"""The versions of poisonkit and of what it writes files with."""

from __future__ import annotations

import av
import cv2
import numpy as np
import soundfile

import poisonkit


def versions() -> dict[str, str]:
    """The versions that could change a pixel."""
    libraries = " ".join(f"{n} {'.'.join(map(str, v))}" for n, v in sorted(av.library_versions.items()))
    return {
        "poisonkit": poisonkit.__version__,
        "numpy": np.__version__,
        "OpenCV": cv2.__version__,
        "PyAV": av.__version__,
        "FFmpeg": libraries,
        "libsndfile": soundfile.__libsndfile_version__,
    }
