"""Workers on other machines: the same jobs on a Dask `distributed` cluster that somebody else has started."""

from __future__ import annotations

import contextlib
import queue
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.files import FOLDER
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument
from poisonkit.workers.dask_connection import _resolved, connect
from poisonkit.workers.dask_worker import (
    CONTINUES,
    UNSEEN,
    Needs,
    T,
    halt,
    other_versions,
    perform,
    unfit,
    versions_here,
)
from poisonkit.workers.local import Pool

if TYPE_CHECKING:
    from distributed import Client, Future


FIRST_WORKER_TIMEOUT_S = 30.0
"""Seconds within which a first worker must be there."""
LOST_WORKERS_TIMEOUT_S = 300.0
"""Seconds that a run waits for a worker once all are gone."""
STOP_TIMEOUT_S = 20.0
"""Seconds that a stopped run gives its workers to end the clips that they have begun."""
_SHARED_FOLDER_TIMEOUT_S = 5.0
"""Seconds that a network file system gets to show a new file elsewhere."""
_AHEAD = 4
"""Jobs handed out per worker thread: none waits for the next, and memory does not grow with the number of clips."""
_LOOKED_AT = 8
"""Clips whose size every worker compares."""


def start(workers: int, scheduler: str | None) -> Pool | Cluster:
    """Processes of this machine, or the cluster of a scheduler where one is named."""
    return Pool(workers) if scheduler is None else Cluster(scheduler)


class Cluster:
    """All workers of the scheduler at `address` (or in a scheduler file); the interface is that of `Pool`.

    Every worker is looked at before the first job, and those that join later before their first one. The clips of a
    lost worker are done elsewhere; should it be alive after all, the same bytes are put in place twice.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._token = secrets.token_hex(8)
        self._needs: Needs | None = None
        self._running: dict[Future[Any], Job] = {}
        self._threads, self._counted, self._seen = 0, 0.0, 0.0
        self._client: Client

    def __enter__(self) -> Self:
        self._client = connect(self.address)
        try:
            self._client.wait_for_workers(1, timeout=FIRST_WORKER_TIMEOUT_S)
        except BaseException as error:
            self._client.close()
            if isinstance(error, TimeoutError):
                raise PoisonkitError(
                    f"the scheduler {self.address} had no workers within {FIRST_WORKER_TIMEOUT_S:g} seconds",
                    f"start some: dask worker {_resolved(self.address)}",
                ) from None
            raise
        return self

    def __exit__(self, *_: Any) -> None:
        try:
            self._stop()
        finally:
            if self._needs is not None and self._needs.mark is not None:
                Path(self._needs.mark).unlink(missing_ok=True)
            with contextlib.suppress(Exception):
                self._client.close()

    def run(
        self, work: Callable[[Job, Context], T], jobs: Sequence[Job], context: Context
    ) -> Iterator[tuple[Job, T | BrokenClip]]:
        """Yield every job with its result, or with the `BrokenClip` that it ended in; other errors are raised."""
        if not jobs:
            return
        # workers have working folders of their own
        out = None if context.out is None else context.out.absolute()
        far = replace(context, source=context.source.absolute(), out=out)
        names = [(far.source, context.source)]
        if far.out is not None and context.out is not None:
            names.append((far.out, context.out))
        needs = self._prepare(jobs, far)
        try:
            for job, result in self._spread(needs, work, jobs, far):
                yield job, _as_given(result, names) if isinstance(result, BrokenClip) else result
        except PoisonkitError as error:
            raise _as_given(error, names) from None
        finally:
            self._cancel()

    def _spread(
        self, needs: Needs, work: Callable[[Job, Context], T], jobs: Sequence[Job], context: Context
    ) -> Iterator[tuple[Job, T | BrokenClip]]:
        from distributed import KilledWorker

        waiting, suspects, alone = deque(jobs), deque[Job](), False
        done: queue.SimpleQueue[Future[Any]] = queue.SimpleQueue()

        def submit(job: Job) -> None:
            with self._connected():
                future = self._client.submit(perform, needs, work, job, context, pure=False)
            self._running[future] = job
            future.add_done_callback(done.put)

        while waiting or suspects or self._running:
            room = self._count() * _AHEAD
            while waiting and len(self._running) < room:
                submit(waiting.popleft())
            if suspects and not waiting and not self._running:
                alone = True
                self._inspect(needs)  # a worker that joined and can do nothing is no fault of the clip's
                submit(suspects.popleft())
            try:
                future = done.get(timeout=1)
            except queue.Empty:
                continue
            job = self._running.pop(future)
            try:
                with self._connected():
                    result = future.result()
            except KilledWorker as error:
                if alone:
                    yield job, _deadly(job, context, error.allowed_failures + 1)
                else:  # a neighbour on the same workers may be to blame: once more, by itself
                    suspects.append(job)
                continue
            yield job, result

    def _count(self) -> int:
        """Threads of the workers there are now; raises `PoisonkitError` after a long time without any."""
        now = time.monotonic()
        if now - self._counted >= 1:
            with self._connected():
                self._threads = sum(self._client.nthreads().values())
            self._counted = now
            if self._threads or not self._seen:
                self._seen = now
            elif now - self._seen > LOST_WORKERS_TIMEOUT_S:
                raise PoisonkitError(
                    f"the scheduler {self.address} has had no workers for {LOST_WORKERS_TIMEOUT_S:g} seconds",
                    f"start new ones, and {CONTINUES}",
                )
        return self._threads

    @contextlib.contextmanager
    def _connected(self) -> Iterator[None]:
        """A lost scheduler is a sentence."""
        from distributed.client import CancelledError

        try:
            yield
        except Exception as error:
            if isinstance(error, CancelledError) or self._client.status != "running":
                raise PoisonkitError(
                    f"the scheduler {self.address} was lost", f"start one with workers, and {CONTINUES}"
                ) from None
            raise

    # --- before the first job -------------------------------------------------------------------------

    def _prepare(self, jobs: Sequence[Job], context: Context) -> Needs:
        """Look at all workers once; later ones look at themselves before they begin."""
        source, out = str(context.source), None if context.out is None else str(context.out)
        if self._needs is not None and (self._needs.source, self._needs.out) == (source, out):
            return self._needs
        mark = None
        if context.out is not None:
            mark = context.out / FOLDER / f"cluster-{self._token}"
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.write_text(self._token, encoding="utf-8")
        found = []
        for job in jobs[:: max(1, len(jobs) // _LOOKED_AT)][:_LOOKED_AT]:
            with contextlib.suppress(OSError):  # a clip that is missing here as well is no fault of a worker's
                found.append((job.path, (context.source / job.path).stat().st_size))
        self._needs = Needs(
            self._token, tuple(versions_here().items()), source, tuple(found), out, None if mark is None else str(mark)
        )
        self._inspect(self._needs)
        return self._needs

    def _inspect(self, needs: Needs) -> None:
        """Raise `PoisonkitError` unless the scheduler and all workers have and see what they need."""
        said: object
        try:  # it takes jobs apart before it hands them on
            with self._connected():
                said = self._client.run_on_scheduler(other_versions, needs)
        except PoisonkitError:
            raise
        except Exception as error:
            said = error
        if said is not None:
            reason, remedy = _reason(said)
            raise PoisonkitError(f"the scheduler {self.address} {reason}", remedy)
        deadline = time.monotonic() + _SHARED_FOLDER_TIMEOUT_S
        while True:
            with self._connected():
                answers = self._client.run(unfit, needs, on_error="return")
            reasons = {worker: _reason(said) for worker, said in answers.items() if said is not None}
            if not reasons:
                return
            # network file systems may show a new folder elsewhere a little later
            if time.monotonic() > deadline or not all(reason.startswith(UNSEEN) for reason, _ in reasons.values()):
                worker, (reason, remedy) = min(reasons.items())
                also = "" if len(reasons) == 1 else f" ({len(reasons)} of {len(answers)} workers are not fit)"
                raise PoisonkitError(f"the worker {worker} {reason}{also}", remedy)
            time.sleep(0.5)

    # --- after the last -------------------------------------------------------------------------------

    def _cancel(self) -> list[Future[Any]]:
        cancelled = list(self._running)
        self._running.clear()
        if cancelled:
            with contextlib.suppress(Exception):
                self._client.cancel(cancelled, force=True)
        return cancelled

    def _stop(self) -> None:
        """Begin nothing any more, and wait for what cannot be interrupted: nobody shall write once this returns."""
        self._cancel()
        deadline = time.monotonic() + STOP_TIMEOUT_S
        with contextlib.suppress(Exception):  # a lost scheduler is told elsewhere
            while self._needs is not None and self._client.status == "running" and time.monotonic() < deadline:
                if not any(self._client.run(halt, self._token, on_error="ignore").values()):
                    return
                time.sleep(0.1)


def _deadly(job: Job, context: Context, count: int) -> BrokenClip:
    return BrokenClip(
        f"{context.source / job.path} ended every worker that it was given to ({count}), often for want of memory",
        f"look at their logs and give them more, or go on without it by {argument('skip_broken', True)}",
    )


def _as_given(error: PoisonkitError, names: Sequence[tuple[Path, Path]]) -> Any:
    """The error with paths as they were given here, so that the manifest's bytes do not tell where it was made."""

    def near_by(text: str) -> str:
        for far, near in names:
            text = text.replace(f"{far}/", f"{near / '_'}"[:-1]).replace(str(far), str(near))
        return text

    return type(error)(near_by(error.fact), near_by(error.remedy))


def _reason(said: object) -> tuple[str, str]:
    """What is wrong with a scheduler or a worker, and the remedy: its own words, or the error that it ended in."""
    if isinstance(said, tuple | list):
        reason, remedy = said
        return str(reason), str(remedy)
    if isinstance(said, ImportError) or "ModuleNotFoundError" in str(said):  # errors may come wrapped in others
        return f"has no poisonkit that can be used ({said})", "install there what is here, in the same versions"
    return f"cannot be asked ({said})", "look at its log, or stop it"
