"""An end for a process whose work stands still: a decoder that never returns cannot be asked to stop."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import time
from collections.abc import Iterator

from poisonkit import heartbeat

EXIT_CODE = 1
"""What `faulthandler` ends a process with."""
_REARM = 1.0
"""Seconds between two notices of life that are passed on: each starts a thread."""

_limit = 0.0
_passed_on = 0.0
# the watching thread is faulthandler's, in C: it needs no interpreter lock, which a decoder may hold
_NOWHERE = open(os.devnull, "w")  # noqa: SIM115 -- faulthandler wants a file that stays open


@contextlib.contextmanager
def watched(seconds: float) -> Iterator[None]:
    """End this process (exit code 1, no clean-up) where no heartbeat comes for so many seconds within the block."""
    global _limit
    _limit = seconds
    _arm()
    heartbeat.listen(_alive)
    try:
        yield
    finally:
        heartbeat.listen(None)
        _limit = 0.0
        faulthandler.cancel_dump_traceback_later()


def _alive() -> None:
    if _limit and time.monotonic() - _passed_on > min(_REARM, _limit / 4):
        _arm()


def _arm() -> None:
    global _passed_on
    _passed_on = time.monotonic()
    faulthandler.dump_traceback_later(_limit, exit=True, file=_NOWHERE)
