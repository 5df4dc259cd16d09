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
from typing import Any, Self, TypeVar

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.jobs import Context, Job

T = TypeVar("T")

_AHEAD = 4
"""Jobs handed out per worker, so that memory does not grow with the number of clips."""


def available_cores() -> int:
    """Cores that this process may use, which a container or a batch system may have limited."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on Linux
        return os.cpu_count() or 1


class Pool:
    """`workers` processes; with one, jobs run in this process and nothing is started."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise PoisonkitError(f"--workers {workers} cannot work; give 1 or more")
        self.workers = workers
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
        if self.workers == 1 or len(jobs) == 1:
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
                    running[self._started().submit(_guarded, work, job, context)] = job
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
                    yield job, _alone(work, job, context)
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
    return ProcessPoolExecutor(workers, mp_context=spawn, initializer=_follow_parent)


def _alone(work: Callable[[Job, Context], T], job: Job, context: Context) -> T | BrokenClip:
    """The result of a job in a process of its own, which it may kill."""
    with _processes(1) as executor:
        try:
            return executor.submit(_guarded, work, job, context).result()
        except BrokenProcessPool:
            return BrokenClip(
                f"{context.source / job.path} ends the process that works on it, for want of memory or by a fault of "
                f"a decoder; look at it and convert or remove it, or go on without it by --skip-broken"
            )


def _guarded(work: Callable[[Job, Context], T], job: Job, context: Context) -> T | BrokenClip:
    try:
        return work(job, context)
    except BrokenClip as error:
        return error


def _follow_parent() -> None:
    """Leave Ctrl-C to the parent, and end soon after it however it ends (kill −9 included)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    with contextlib.suppress(RuntimeError):
        threading.Thread(target=watch, daemon=True).start()
