"""What a Dask worker does: check that it fits, carry out jobs, stop."""

from __future__ import annotations

import os
import platform
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.versions import versions
from poisonkit.workers import process_setup

T = TypeVar("T")

UNSEEN = "does not see"
"""How a complaint begins that may only come early: network file systems show a new folder a little later."""
CONTINUES = "the same command continues"
"""What may be promised of every run that a cluster ends."""

_lock = threading.Lock()
_busy: Counter[str] = Counter()
_halted: set[str] = set()
_fit: set[Needs] = set()


@dataclass(frozen=True)
class Needs:
    """What a worker must have and see; `mark` is a file that holds `token`, in the state folder of the copy."""

    token: str
    versions: tuple[tuple[str, str], ...]
    source: str
    clips: tuple[tuple[str, int], ...]
    out: str | None
    mark: str | None


def unfit(needs: Needs) -> tuple[str, str] | None:
    """What this process lacks, and the remedy; None if it can do the jobs."""
    reason = other_versions(needs)
    if reason is not None:
        return reason
    source = Path(needs.source)
    for name, size in needs.clips:
        try:
            same = (source / name).stat().st_size == size
        except OSError:
            same = False
        if not same:
            return f"{UNSEEN} the clips of {source} ({name})", "mount them there at the same path"
    if needs.mark is None:
        return None
    mark = Path(needs.mark)
    mine = mark.with_name(f"{mark.name}-{socket.gethostname()}-{os.getpid()}-{threading.get_ident()}")
    try:
        seen = mark.read_text(encoding="utf-8") == needs.token
    except OSError:
        seen = False
    if not seen:
        return f"{UNSEEN} the folder {needs.out}", f"give an {argument('out')} that all machines share at the same path"
    try:
        mine.touch()
        mine.unlink(missing_ok=True)
    except OSError as error:
        return f"cannot write to {needs.out} ({error.strerror})", "let its user write there"
    return None


def other_versions(needs: Needs) -> tuple[str, str] | None:
    """A version that differs from the one needed, and the remedy; None if all are the same."""
    here = versions_here()
    for name, wanted in needs.versions:
        if here.get(name) != wanted:
            return (
                f"has {name} {here.get(name, '(none)')}, this machine {wanted}, which may give other pixels",
                "install the same versions there",
            )
    return None


def versions_here() -> dict[str, str]:
    """What could change a pixel, and what jobs travel by."""
    import distributed

    python = ".".join(platform.python_version_tuple()[:2])
    return {"Python": python, "Dask": distributed.__version__, **versions()}


def perform(needs: Needs, work: Callable[[Job, Context], T], job: Job, context: Context) -> T | BrokenClip | None:
    """Do one job in a worker's thread."""
    with _lock:
        if needs.token in _halted:
            return None  # nobody waits for it any more
        _busy[needs.token] += 1
    try:
        if needs not in _fit:
            found = unfit(needs)
            if found is not None:
                reason, remedy = found
                raise PoisonkitError(
                    f"a worker on {socket.gethostname()} {reason}", f"{remedy}; stop it, and {CONTINUES}"
                )
            process_setup.prepare()
            _fit.add(needs)
        return work(job, context)
    except BrokenClip as error:
        return error
    finally:
        with _lock:
            _busy[needs.token] -= 1


def halt(token: str) -> int:
    """Begin no more jobs of a run; the number of those that are not over yet."""
    with _lock:
        _halted.add(token)
        return _busy[token]
