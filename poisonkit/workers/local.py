"""Local workers: processes that carry out jobs, in any order, and stop when their parent does."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.process import BaseProcess
from typing import Any, Self, TypeVar

from poisonkit.errors import BrokenClip
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.workers import process_setup, watchdog

T = TypeVar("T")

_AHEAD = 4
"""Jobs handed out per worker, so that memory does not grow with the number of clips."""
STALL = 300.0
"""Seconds within which a worker has to get on by a frame, or it is taken to hang."""


def available_cores() -> int:
    """Cores that this process may use, which a container or a batch system may have limited."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


class Pool:
    """`workers` processes. With 0 jobs run in this process: nothing is started, and nothing guards it against a clip.

    A clip that kills its process (a decoder's fault, no memory), or on which the process does not get on for `stall`
    seconds, is tried once more by itself, and then is a broken one.
    """

    def __init__(self, workers: int, stall: float = STALL) -> None:
        if workers < 0:
            raise ValueError(f"{workers} workers")
        self.workers, self.stall = workers, stall
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if self._executor is None:
            return
        if kind is not None:
            for process in list(self._executor._processes.values()):
                process.terminate()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def run(
        self, work: Callable[[Job, Context], T], jobs: Sequence[Job], context: Context
    ) -> Iterator[tuple[Job, T | BrokenClip]]:
        """Yield every job with its result, or with the `BrokenClip` that it ended in; other errors are raised."""
        if self.workers == 0:
            for job in jobs:
                yield job, _guarded(work, job, context)
            return
        yield from self._spread(work, jobs, context)

    def _spread(
        self, work: Callable[[Job, Context], T], jobs: Sequence[Job], context: Context
    ) -> Iterator[tuple[Job, T | BrokenClip]]:
        waiting = iter(jobs)
        running: dict[Future[T | BrokenClip], Job] = {}
        lost: list[Job] = []
        while True:
            while not lost and len(running) < self.workers * _AHEAD and (job := next(waiting, None)) is not None:
                try:
                    running[self._started().submit(_watched, work, job, context, self.stall)] = job
                except BrokenProcessPool:
                    lost.append(job)
            if running:
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    job = running.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        lost.append(job)
                    else:
                        yield job, future.result()
            elif lost:
                # one worker's end takes all of them along; whose clip it was shows when each is done alone
                self._executor = None
                for job in lost:
                    yield job, _alone(work, job, context, self.stall)
                lost = []
            else:
                return

    def _started(self) -> ProcessPoolExecutor:
        if self._executor is None:
            self._executor = _processes(self.workers)
        return self._executor


def _processes(workers: int) -> ProcessPoolExecutor:
    # spawn: a forked copy of a process with threads (the progress display) may hang
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin)


def _alone(work: Callable[[Job, Context], T], job: Job, context: Context, stall: float) -> T | BrokenClip:
    """The result of a job in a process of its own, which it may kill."""
    with _processes(1) as executor:
        result = executor.submit(_watched, work, job, context, stall)
        (process,) = executor._processes.values()
        try:
            return result.result()
        except BrokenProcessPool:
            what = (
                f"does not get on by a frame in {stall:g} seconds"
                if _ended(process) == watchdog.EXIT_CODE
                else "ends the process that works on it, for want of memory or by a fault of a decoder"
            )
            return BrokenClip(
                f"{context.source / job.path} {what}",
                f"look at it and convert or remove it, or go on without it by {argument('skip_broken', True)}",
            )


def _ended(process: BaseProcess) -> int | None:
    """How a process ended; the executor's thread waits for it as well, and who is second learns it a moment later."""
    process.join()
    for _ in range(100):
        if process.exitcode is not None:
            break
        time.sleep(0.01)
    return process.exitcode


def _watched(work: Callable[[Job, Context], T], job: Job, context: Context, stall: float) -> T | BrokenClip:
    with watchdog.watched(stall):
        return _guarded(work, job, context)


def _guarded(work: Callable[[Job, Context], T], job: Job, context: Context) -> T | BrokenClip:
    try:
        return work(job, context)
    except BrokenClip as error:
        return error


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end soon after it however it ends (kill −9 included)."""
    process_setup.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # who started it, which os.getppid() does not tell of a parent that ended while this process was importing
    started_by = multiprocessing.parent_process()
    parent = started_by.pid if started_by else os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    with contextlib.suppress(RuntimeError):
        threading.Thread(target=watch, daemon=True).start()
