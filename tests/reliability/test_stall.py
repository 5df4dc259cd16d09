"""A clip on which nothing moves ends its worker, and then is refused; long work that moves is left alone."""

from __future__ import annotations

import ctypes
import time
from pathlib import Path

from poisonkit import heartbeat
from poisonkit.errors import BrokenClip
from poisonkit.plan.job import Context, Job
from poisonkit.workers import watchdog
from poisonkit.workers.local import Pool, _ended

STALL = 1.5


def job(name: str) -> Job:
    return Job(name, "train", f"{name}.avi", f"{name}.avi", 0, 0, False, "examine", name)


def work(job: Job, context: Context) -> str:
    """What a clip's name asks for: `hangs` like a decoder in C that never returns and holds the interpreter's lock."""
    if job.id == "hangs":
        ctypes.PyDLL(None).sleep(600)
    if job.id == "slow":
        for _ in range(20):
            time.sleep(STALL / 10)
            heartbeat.beat()
    return job.id


def test_a_clip_that_hangs_is_refused_and_no_other(tmp_path: Path) -> None:
    jobs = [job(name) for name in ("a", "slow", "hangs", "b", "c")]
    began = time.monotonic()
    with Pool(2, stall=STALL) as pool:
        results = {job.id: result for job, result in pool.run(work, jobs, Context(tmp_path, None, 0))}
    assert time.monotonic() - began < 60
    broken = results.pop("hangs")
    assert isinstance(broken, BrokenClip)
    assert str(broken).startswith(f"{tmp_path}/hangs.avi does not get on by a frame in 1.5 seconds; look at it")
    assert results == {name: name for name in ("a", "slow", "b", "c")}


def test_one_worker_is_watched_as_well(tmp_path: Path) -> None:
    with Pool(1, stall=STALL) as pool:
        ((_, result),) = pool.run(work, [job("hangs")], Context(tmp_path, None, 0))
    assert isinstance(result, BrokenClip)


def test_nothing_is_ended_once_the_work_is_done() -> None:
    with watchdog.watched(0.3):
        pass
    time.sleep(0.6)
    heartbeat.beat()


def test_who_waits_second_for_a_process_learns_how_it_ended() -> None:
    class Reaped:
        """Its end is known only a moment after it can be joined, as where another thread waits for it as well."""

        asked = 0

        def join(self) -> None:
            pass

        @property
        def exitcode(self) -> int | None:
            self.asked += 1
            return watchdog.EXIT_CODE if self.asked > 4 else None

    assert _ended(Reaped()) == watchdog.EXIT_CODE  # type: ignore[arg-type]
