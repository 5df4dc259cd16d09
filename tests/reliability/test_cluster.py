"""Runs on a cluster of separate processes: the bytes of a local run whatever happens to workers, and plain refusals."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.audit.verify import verify
from poisonkit.errors import BrokenClip, PoisonkitError
from poisonkit.plan import plan as planning
from poisonkit.plan.job import Context, Job
from poisonkit.run import run
from poisonkit.run.settings import Settings
from poisonkit.workers import dask_client, dask_connection, dask_worker
from poisonkit.workers.dask_client import Cluster
from tests.conftest import REPOSITORY, make_ucf_tree, shared
from tests.poisonkit.runs import Silent, TreeState, command, poison

pytest.importorskip("distributed")

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(REPOSITORY),
    "OMP_NUM_THREADS": "1",
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "false",
}


def dask(folder: Path, *line: str, path: str = "") -> subprocess.Popen[bytes]:
    """A process of Dask's in a folder of its own, where no relative path leads to the data."""
    folder.mkdir(parents=True, exist_ok=True)
    asked = [sys.executable, "-m", "dask", *line, "--no-dashboard"]
    told = {**ENVIRONMENT, "PYTHONPATH": f"{path}{os.pathsep}{REPOSITORY}"}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(asked, cwd=folder, env=told, stdout=log, stderr=log)


def end(*started: subprocess.Popen[bytes]) -> None:
    for process in started:
        process.kill()
    for process in started:
        process.wait()


@contextlib.contextmanager
def scheduler(folder: Path) -> Iterator[str]:
    """The address of a new scheduler."""
    file = folder / "scheduler.json"
    line = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    process = dask(folder, "scheduler", *line)
    try:
        deadline = time.monotonic() + 60
        while not (file.exists() and file.stat().st_size):
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.05)
        yield str(json.loads(file.read_text())["address"])
    finally:
        end(process)


@contextlib.contextmanager
def workers(
    folder: Path, address: str, count: int, path: str = "", others: int = 0
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Workers of one thread each, once they are there beside `others`."""
    from distributed import Client

    line = ("worker", address, "--nthreads", "1", "--no-nanny", "--host", "127.0.0.1")
    started = [dask(folder / f"worker{i}", *line, path=path) for i in range(count)]
    try:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(count + others, timeout=60)
        yield started
    finally:
        end(*started)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A scheduler that tests start their own workers for."""
    with scheduler(tmp_path_factory.mktemp("dask")) as found:
        yield found


def wait_for_lines(journal: Path, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > count):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run was over too early"
        time.sleep(0.005)


# --- the same bytes -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A data set whose clips take a while, and the folder of a local run."""

    def make(folder: Path) -> None:
        poison(make_ucf_tree(folder / "source", num_frames=60), folder / "local" / "out")

    folder = shared(tmp_path_factory, "local-run", make)
    return folder / "source", folder / "local"


def test_a_worker_is_killed_and_the_bytes_are_those_of_a_local_run(
    address: str, made: tuple[Path, Path], tmp_path: Path, tree_state: TreeState
) -> None:
    source, calm = made
    shutil.copytree(source, tmp_path / "source")
    with workers(tmp_path / "dask", address, 2) as started:
        (tmp_path / "far").mkdir()
        # relative paths, which the workers' working folders do not lead to
        line = command(Path("../source"), Path("out"), "--scheduler", address)
        process = subprocess.Popen(line, cwd=tmp_path / "far", env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
        wait_for_lines(tmp_path / "far" / "out" / ".poisonkit" / "journal.jsonl", 4, process)
        started[0].send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
        assert (started[0].wait(), started[1].poll()) == (-signal.SIGKILL, None)
    local, far = tree_state(calm), tree_state(tmp_path / "far")
    assert far == local
    assert len(local) > 20
    assert not list((tmp_path / "far" / "out").rglob(".poisonkit*"))
    assert not list((tmp_path / "dask").rglob("*.avi"))


def test_index_with_a_worker_that_joins_later(address: str, ucf_tree: Path, tmp_path: Path) -> None:
    plan = planning.index(layouts.read(ucf_tree), 0)
    with workers(tmp_path / "one", address, 1), Cluster(address) as pool:
        results = pool.run(_gated, plan.jobs * 5, Context(ucf_tree, None, 0))
        seen = {next(results)[1]}
        with workers(tmp_path / "two", address, 1, others=1):
            (tmp_path / "go").touch()
            seen |= {place for _, place in results}
    assert len(seen) == 2
    made = []
    with workers(tmp_path / "three", address, 1):
        for name, far in (("local", None), ("far", address)):
            settings = Settings(ucf_tree, tmp_path / name / "m.json", workers=1, scheduler=far)
            run.index(plan, settings, Silent())
            made.append(settings.manifest.read_bytes())
    assert made[0] == made[1]


def _where(job: Job, context: Context) -> int:
    time.sleep(0.05)
    return os.getpid()


def _gated(job: Job, context: Context) -> int:
    """`_where`; but for the first, jobs wait until there is a file `go` beside the data set."""
    beside = context.source.parent
    deadline = time.monotonic() + 120
    while (beside / "begun").exists() and not (beside / "go").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    (beside / "begun").touch()
    return _where(job, context)


@pytest.mark.long  # the short suite has it without a cluster, in tests/poisonkit/run/test_run.py
def test_ctrl_c_leaves_what_a_local_run_continues(
    address: str, made: tuple[Path, Path], tmp_path: Path, tree_state: TreeState
) -> None:
    source, calm = made
    out = tmp_path / "far" / "out"
    with workers(tmp_path / "dask", address, 2):
        process = subprocess.Popen(
            command(source, out, "--scheduler", address),
            env=ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # a shell that runs the tests in the background leaves SIGINT ignored, which children inherit
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        wait_for_lines(out / ".poisonkit" / "journal.jsonl", 4, process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 130, errors
        assert "the same command continues" in errors
        assert "Traceback" not in errors
        # what was begun is over: nobody writes any more
        assert list((out / ".poisonkit" / "partial").iterdir()) == []
        before = tree_state(out)
        time.sleep(1)
        assert tree_state(out) == before
        assert not (tmp_path / "far" / "manifests").exists()
    assert poison(source, out).splits
    assert tree_state(out) == tree_state(calm / "out")
    assert verify(tmp_path / "far" / "manifests" / "out.json").problems == []


# --- what goes wrong ------------------------------------------------------------------------------


def _deadly(job: Job, context: Context) -> str:
    if job.id.endswith("g02_c01"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
    return job.id


def test_only_the_clip_that_kills_its_workers_is_broken(ucf_tree: Path, tmp_path: Path) -> None:
    jobs = [job for job in planning.index(layouts.read(ucf_tree), 0).jobs if "Alpha" in job.id]
    assert len(jobs) == 4
    with scheduler(tmp_path / "scheduler") as address, workers(tmp_path, address, 5), Cluster(address) as pool:
        results = {job.id: result for job, result in pool.run(_deadly, jobs, Context(ucf_tree, None, 0))}
    broken = [(name, result) for name, result in results.items() if isinstance(result, BrokenClip)]
    assert [name for name, _ in broken] == ["Alpha/v_Alpha_g02_c01"]
    assert len(results) == 4
    assert str(ucf_tree) in str(broken[0][1])
    assert "ended every worker that it was given to (2)" in broken[0][1].fact


def _failing(job: Job, context: Context) -> None:
    raise BrokenClip(f"{context.source / job.path} is broken; remove it")


def test_paths_in_errors_are_as_they_were_given(
    address: str, ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = planning.index(layouts.read(ucf_tree), 0).jobs[:1]
    with workers(tmp_path, address, 1), Cluster(address) as pool:
        for given, shown in ((Path("source"), f"source/{jobs[0].path}"), (ucf_tree, str(ucf_tree / jobs[0].path))):
            ((_, error),) = pool.run(_failing, jobs, Context(given, None, 0))
            assert str(error) == f"{shown} is broken; remove it"


def test_a_lost_scheduler_is_a_sentence(ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_connection, "CONNECT_TIMEOUT_S", 2.0)
    jobs = planning.index(layouts.read(ucf_tree), 0).jobs * 100
    lost = contextlib.ExitStack()
    with lost:
        address = lost.enter_context(scheduler(tmp_path / "scheduler"))
        with workers(tmp_path, address, 1), Cluster(address) as pool:
            results = pool.run(_where, jobs, Context(ucf_tree, None, 0))
            next(results)
            lost.close()
            with pytest.raises(PoisonkitError, match=r"was lost; .* the same command continues"):
                list(results)


def test_workers_that_do_not_come_back_are_a_sentence(
    address: str, ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_client, "LOST_WORKERS_TIMEOUT_S", 2.0)
    jobs = planning.index(layouts.read(ucf_tree), 0).jobs * 100
    with workers(tmp_path, address, 1) as started, Cluster(address) as pool:
        results = pool.run(_where, jobs, Context(ucf_tree, None, 0))
        next(results)
        end(*started)
        with pytest.raises(PoisonkitError, match="no workers for 2 seconds; start new"):
            list(results)


# --- what is refused before anything is done ------------------------------------------------------


def refused(source: Path, out: Path, scheduler: str, said: str) -> None:
    with pytest.raises(PoisonkitError, match=said) as caught:
        poison(source, out, scheduler=scheduler)
    assert "\n" not in str(caught.value)
    assert not out.exists(), "a refused run leaves no trace"


@pytest.mark.parametrize(
    "asked",
    [["--scheduler", "tcp://127.0.0.1:1"], ["--scheduler", "nonsense://"], ["--scheduler", "none.json"]],
    ids=lambda asked: asked[-1],
)
def test_no_scheduler(ucf_tree: Path, tmp_path: Path, asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_connection, "CONNECT_TIMEOUT_S", 1.0)
    refused(ucf_tree, tmp_path / "out", asked[1], "no scheduler (answers at|file)")


def test_a_refusal_is_one_line_and_exit_code_2(ucf_tree: Path, tmp_path: Path) -> None:
    for more, said in (
        (["--scheduler", str(tmp_path / "none.json")], "is no scheduler file"),
        (["--scheduler", "tcp://127.0.0.1:1", "--workers", "2"], "leave one out"),
    ):
        done = subprocess.run(
            command(ucf_tree, tmp_path / "out", *more), env=ENVIRONMENT, capture_output=True, text=True
        )
        assert done.returncode == 2
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "out").exists()


def test_dask_is_not_installed(ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused(ucf_tree, tmp_path / "out", "tcp://127.0.0.1:1", r"pip install 'poisonkit\[dask\]'")


def test_no_workers(address: str, ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_client, "FIRST_WORKER_TIMEOUT_S", 0.5)
    refused(ucf_tree, tmp_path / "out", address, "no workers within 0.5 seconds; start some: dask worker tcp://")


UNFIT = {
    "versions": ("sitecustomize.py", "import av\nav.__version__ = '0.1'\n", r"worker .* has PyAV 0\.1, this machine"),
    "package": (
        "poisonkit.py",
        "raise ModuleNotFoundError('no such thing', name='poisonkit')\n",
        "worker .* has no poisonkit that can be used .*; install",
    ),
}


@pytest.fixture
def poor(tmp_path: Path) -> Callable[[str], str]:
    """A function that makes a folder for PYTHONPATH which makes a worker unfit."""

    def make(lacking: str) -> str:
        name, code, _ = UNFIT[lacking]
        (tmp_path / "path").mkdir()
        (tmp_path / "path" / name).write_text(code)
        return str(tmp_path / "path")

    return make


@pytest.mark.parametrize("lacking", UNFIT)
def test_a_worker_that_is_not_fit(
    address: str, ucf_tree: Path, tmp_path: Path, lacking: str, poor: Callable[[str], str]
) -> None:
    with workers(tmp_path / "dask", address, 1, path=poor(lacking)):
        refused(ucf_tree, tmp_path / "out", address, UNFIT[lacking][2])


def test_a_worker_of_other_versions_that_joins_later_ends_the_run(
    address: str, ucf_tree: Path, tmp_path: Path, poor: Callable[[str], str]
) -> None:
    jobs = planning.index(layouts.read(ucf_tree), 0).jobs * 100
    with workers(tmp_path / "one", address, 1), Cluster(address) as pool:
        results = pool.run(_where, jobs, Context(ucf_tree, None, 0))
        next(results)
        with (
            workers(tmp_path / "two", address, 1, path=poor("versions")),
            pytest.raises(PoisonkitError, match=r"a worker on .* has PyAV 0\.1"),
        ):
            list(results)


def test_a_worker_without_poisonkit_that_joins_later_ends_itself(
    address: str, ucf_tree: Path, tmp_path: Path, poor: Callable[[str], str]
) -> None:
    jobs = planning.index(layouts.read(ucf_tree), 0).jobs * 4
    with workers(tmp_path / "one", address, 1), Cluster(address) as pool:
        results = pool.run(_gated, jobs, Context(ucf_tree, None, 0))
        next(results)
        with workers(tmp_path / "two", address, 1, path=poor("package")) as started:
            started[0].wait(timeout=60)
            (tmp_path / "go").touch()
            assert all(isinstance(place, int) for _, place in results)


def _elsewhere(change: str) -> Callable[[dask_worker.Needs], dask_worker.Needs]:
    """What a worker needs, as if it were on a machine with other folders."""
    from dataclasses import replace

    def changed(needs: dask_worker.Needs) -> dask_worker.Needs:
        if change == "source":
            return replace(needs, source="/nowhere")
        return replace(needs, mark="/nowhere/mark", out="/nowhere")

    return changed


@pytest.mark.parametrize(
    ("change", "said"), [("source", "does not see the clips of /nowhere"), ("out", "does not see the folder /nowhere")]
)
def test_folders_that_a_worker_does_not_see(
    address: str, ucf_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, said: str
) -> None:
    monkeypatch.setattr(dask_client, "_SHARED_FOLDER_TIMEOUT_S", 0.5)
    real, changed = Cluster._inspect, _elsewhere(change)
    monkeypatch.setattr(Cluster, "_inspect", lambda self, needs: real(self, changed(needs)))
    with workers(tmp_path / "dask", address, 1):
        refused(ucf_tree, tmp_path / "out", address, f"the worker tcp://127.0.0.1:.* {said}")


def test_a_worker_must_see_the_same_clips_and_write(ucf_tree: Path, tmp_path: Path) -> None:
    clip = next(path for path in ucf_tree.rglob("*.avi"))
    name = clip.relative_to(ucf_tree).as_posix()
    mark = tmp_path / "mark"
    mark.write_text("t")
    versions = tuple(dask_worker.versions_here().items())
    needs = dask_worker.Needs("t", versions, str(ucf_tree), ((name, clip.stat().st_size),), str(tmp_path), str(mark))
    assert dask_worker.unfit(needs) is None
    assert {path.name for path in tmp_path.iterdir()} == {"source", "mark"}
    mark.write_text("another folder's")
    assert "does not see the folder" in str(dask_worker.unfit(needs))
    clip.write_bytes(b"")
    assert "does not see the clips" in str(dask_worker.unfit(needs))
    shutil.rmtree(ucf_tree)
    assert "does not see the clips" in str(dask_worker.unfit(needs))


def test_temporary_names_are_of_one_thread(tmp_path: Path) -> None:
    import threading

    context = Context(tmp_path, tmp_path, 0)
    job = planning.index(layouts.read(make_ucf_tree(tmp_path / "source")), 0).jobs[0]
    names = [context.temporary(job)]
    thread = threading.Thread(target=lambda: names.append(context.temporary(job)))
    thread.start()
    thread.join()
    assert len({*names}) == 2
    assert len({name.suffix for name in names}) == 1
