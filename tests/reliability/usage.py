"""What a command line takes: time and memory of a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.conftest import REPOSITORY

# a process of its own between the tests and the command: the peak of a child begins at what its parent holds
_BETWEEN = """
import json, os, subprocess, sys, time
began = time.monotonic()
process = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=sys.stderr)
_, status, usage = os.wait4(process.pid, 0)
seconds = usage.ru_utime + usage.ru_stime
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, time.monotonic() - began, usage.ru_maxrss / 1024]))
"""


class Usage(NamedTuple):
    """What a process took: processor seconds (with its children), wall-clock seconds, peak resident megabytes."""

    code: int
    processor: float
    wall: float
    megabytes: float


def measured(*arguments: object, cwd: Path) -> Usage:
    """Run a Python command line and say what it took."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    line = [sys.executable, "-c", _BETWEEN, *map(str, arguments)]
    done = subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=True)
    used = Usage(*json.loads(done.stdout))
    assert used.code == 0, done.stderr
    print(used)
    return used
