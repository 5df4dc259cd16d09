"""What goes wrong around a run: it is killed, its disk is full, its source goes away, its workers die.

After each of them the same command continues, and ends with the bytes of an undisturbed run.
`RELIABILITY_KILLS` is the number of moments at which runs are killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from poisonkit import cli
from poisonkit.audit.verify import verify
from tests.command_line import in_process
from tests.conftest import make_ucf_tree, shared

TreeState = Callable[[Path], dict[str, bytes]]
KILLS = int(os.environ.get("RELIABILITY_KILLS", "1"))


def line(source: Path, home: Path, *more: str) -> list[str]:
    command = [sys.executable, "-m", "poisonkit", "poison", str(source), "--attack", "badnet", "--rate", "0.3"]
    command += ["--quality", "high", "--force", "--workers", "2"]
    return [*command, "--out", str(home / "out"), "--manifest", str(home / "manifests" / "out.json"), *more]


def finish(source: Path, home: Path, *more: str) -> str:
    """The same command to its end, in this process and with one worker, of which no byte may tell."""
    done = in_process(cli.main, "poisonkit", *line(source, home, *more)[3:], "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert verify(home / "manifests" / "out.json").problems == []
    return done.stderr


def start(source: Path, home: Path, *more: str, clips: int = 2) -> subprocess.Popen[str]:
    """A run of which some clips are written."""
    process = subprocess.Popen(line(source, home, *more), stderr=subprocess.PIPE, text=True, start_new_session=True)
    journal = home / "out" / ".poisonkit" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.read_bytes().count(b"\n") > clips):
        assert time.monotonic() < deadline
        assert process.poll() is None, "the run was over before anything could happen to it"
        time.sleep(0.002)
    return process


def refused(process: subprocess.Popen[str], code: int = 2) -> str:
    """The one sentence that a run ends with."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    said = [part for part in errors.splitlines() if part.startswith("poisonkit: ")]
    assert len(said) == 1
    return said[0]


def nothing_half_written(home: Path, calm: dict[str, bytes], tree_state: TreeState) -> None:
    """Every file under its final name is whole, and no manifest says more."""
    assert not (home / "manifests").exists()
    for name, digest in tree_state(home).items():
        if ".poisonkit/" not in name:
            assert digest == calm[name], name


def copied(calm: dict[str, bytes]) -> dict[str, bytes]:
    """The same across file systems, where clips are copied rather than linked."""
    manifest = calm["manifests/out.json"].replace(b'"carry": "hardlink"', b'"carry": "copy"')
    return {**calm, "manifests/out.json": manifest}


@pytest.fixture
def calm(tmp_path_factory: pytest.TempPathFactory, tree_state: TreeState) -> dict[str, bytes]:
    """What an undisturbed run writes, on clips of the same bytes as `ucf_tree`'s."""

    def make(folder: Path) -> None:
        finish(make_ucf_tree(folder / "source"), folder / "calm")

    return tree_state(shared(tmp_path_factory, "undisturbed", make) / "calm")


@pytest.mark.parametrize("moment", range(KILLS))
def test_killed_at_a_random_moment(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes], moment: int
) -> None:
    source = tree_state(ucf_tree)
    home = tmp_path / "killed"
    process = subprocess.Popen(line(ucf_tree, home), stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(random.Random(moment).uniform(0.3, 4.0))
    over = process.poll() is not None
    process.send_signal(signal.SIGKILL)
    process.wait()
    if (home / "manifests" / "out.json").exists():  # between its last word and its end: then all of it is there
        assert {name: found for name, found in tree_state(home).items() if ".poisonkit/" not in name} == calm
    elif not over:
        nothing_half_written(home, calm, tree_state)
    finish(ucf_tree, home)
    assert tree_state(home) == calm
    assert tree_state(ucf_tree) == source


# the whole suite sends the former to another run, in tests/poisonkit/run/test_run.py
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_a_signal_leaves_what_continues(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes], number: signal.Signals
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # children inherit an ignored one
    try:
        process = start(ucf_tree, tmp_path / "stopped")
    finally:
        signal.signal(signal.SIGINT, before)
    process.send_signal(number)
    assert "the same command continues" in refused(process, 130)
    nothing_half_written(tmp_path / "stopped", calm, tree_state)
    assert "continuing" in finish(ucf_tree, tmp_path / "stopped")
    assert tree_state(tmp_path / "stopped") == calm


def test_a_killed_worker_loses_nothing(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes]
) -> None:
    process = start(ucf_tree, tmp_path / "worker")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert workers
    os.kill(int(workers[0]), signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert tree_state(tmp_path / "worker") == calm


@pytest.mark.parametrize("more", [pytest.param((), marks=pytest.mark.long), ("--skip-broken",)])
def test_a_source_that_goes_away_is_no_broken_clip(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes], more: tuple[str, ...]
) -> None:
    process = start(ucf_tree, tmp_path / "away", *more)
    ucf_tree.rename(tmp_path / "elsewhere")
    said = refused(process)
    assert "No such file" in said
    nothing_half_written(tmp_path / "away", calm, tree_state)
    (tmp_path / "elsewhere").rename(ucf_tree)
    assert "continuing" in finish(ucf_tree, tmp_path / "away", *more)
    assert tree_state(tmp_path / "away") == calm


def test_two_runs_into_one_folder(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes]
) -> None:
    first = start(ucf_tree, tmp_path / "both")
    first.send_signal(signal.SIGSTOP)  # it might be done before the second one begins
    second = subprocess.Popen(line(ucf_tree, tmp_path / "both"), stderr=subprocess.PIPE, text=True)
    assert "another run is writing" in refused(second)
    first.send_signal(signal.SIGCONT)
    assert first.wait(timeout=60) == 0
    assert tree_state(tmp_path / "both") == calm


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small disk takes root: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_a_sentence_and_continues_with_room(
    ucf_tree: Path, small_disk: Path, tree_state: TreeState, calm: dict[str, bytes]
) -> None:
    process = start(ucf_tree, small_disk / "full", "--skip-broken", clips=0)
    process.send_signal(signal.SIGSTOP)
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    process.send_signal(signal.SIGCONT)
    assert "No space left" in refused(process)
    nothing_half_written(small_disk / "full", calm, tree_state)
    ballast.unlink()
    finish(ucf_tree, small_disk / "full", "--skip-broken")
    assert tree_state(small_disk / "full") == copied(calm)


def test_a_source_mounted_read_only_is_enough(
    ucf_tree: Path, tmp_path: Path, tree_state: TreeState, calm: dict[str, bytes]
) -> None:
    place = tmp_path / "mounted" / ucf_tree.name
    place.mkdir(parents=True)
    bound = subprocess.run(["mount", "--bind", "-o", "ro", str(ucf_tree), str(place)], capture_output=True)
    if bound.returncode:
        pytest.skip(f"mounting a folder read-only takes root: {bound.stderr.decode().strip()}")
    try:
        with pytest.raises(OSError, match="Read-only"):
            (place / "new").write_text("")
        finish(place, tmp_path / "copy")
    finally:
        subprocess.run(["umount", str(place)], check=True)
    assert tree_state(tmp_path / "copy") == copied(calm)


# the interpreter itself may be readable for its owner alone, so that rights are given up as late as possible
_AS_NOBODY = """
import os
import poisonkit.cli.tables
from poisonkit.run import run
from poisonkit.cli import main
poison = run.poison
def as_nobody(*arguments):
    os.setuid(65534)
    return poison(*arguments)
run.poison = as_nobody
main()
"""


def test_a_folder_that_may_not_be_written_is_a_sentence(ucf_tree: Path) -> None:
    if os.geteuid():
        pytest.skip("becoming somebody else takes root")
    with tempfile.TemporaryDirectory() as place:  # whose parents everybody may enter, unlike those of `tmp_path`
        os.chmod(place, 0o755)
        source, home = Path(place) / "source", Path(place) / "home"
        shutil.copytree(ucf_tree, source)
        home.mkdir()
        arguments = line(source, home)[3:]
        process = subprocess.Popen([sys.executable, "-c", _AS_NOBODY, *arguments], stderr=subprocess.PIPE, text=True)
        assert "Permission denied" in refused(process)
        assert list(home.iterdir()) == []
