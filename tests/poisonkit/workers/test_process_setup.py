"""Whether freed memory is kept, told by the page faults of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource
import numpy as np
from poisonkit.workers import process_setup
if {kept}:
    process_setup.keep_freed()
def frame():
    np.ones(1_000_000, np.uint8)
frame()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    frame()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's memory is Linux's")
def test_frames_are_not_mapped_again_under_dask() -> None:
    def faults(kept: bool) -> int:
        told = {**os.environ, "MALLOC_TRIM_THRESHOLD_": "65536"}  # as Dask's nanny does
        run = [sys.executable, "-c", FAULTS.format(kept=kept)]
        return int(subprocess.run(run, env=told, check=True, capture_output=True, text=True).stdout)

    assert faults(kept=True) < 1000 < faults(kept=False)
