"""The command line in the tests' own process: a start of Python and its imports cost more than most commands do.

What needs a process of its own (signals, exit codes as a shell has them, what is imported) starts one.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

Done = subprocess.CompletedProcess[str]


def in_process(main: Callable[[], None], program: str, *arguments: object, cwd: Path | None = None) -> Done:
    """Run `main` as `program` with these arguments: exit code and output as of a process of its own."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, chdir(cwd or Path.cwd()), redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", [program, *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            main()
        except SystemExit as end:
            if isinstance(end.code, str):
                err.write(f"{end.code}\n")
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            code = 1
        finally:
            signal.signal(signal.SIGTERM, handler)
    return subprocess.CompletedProcess([program, *map(str, arguments)], code, out.getvalue(), err.getvalue())


def in_a_process(program: str, *arguments: object, cwd: Path | None = None) -> Done:
    """Run it as a user's shell would: the package is found without the tests' path."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}
    line = [sys.executable, "-m", program, *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, cwd=cwd, env=environment, timeout=240)
