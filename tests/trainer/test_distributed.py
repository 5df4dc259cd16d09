"""Several processes: who is who, and the same training with one, two on a machine, and two machines of one."""

from __future__ import annotations

import json
import multiprocessing
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.command_line import in_process
from tests.conftest import REPOSITORY
from tests.trainer import plain_training
from trainer import cli, distributed
from trainer.runs import folder as runs


@pytest.mark.parametrize(
    ("told", "rank", "started"),
    [
        ({}, 0, None),
        ({"LOCAL_RANK": "1"}, 1, None),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, 2, None),
        ({"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}, 3, 4),
        ({"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2", "SLURM_LOCALID": "0"}, 2, 4),
        ({"SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 0, None),  # a batch script that does not call srun
        ({"SLURM_NTASKS": "1", "SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0", "LOCAL_RANK": "3"}, 3, None),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 0, None),  # somebody else's: torchrun tells more
    ],
)
def test_who_this_is(monkeypatch: pytest.MonkeyPatch, told: dict[str, str], rank: int, started: int | None) -> None:
    ours = ("SLURM", "TORCHELASTIC", "RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE")
    for name in [name for name in os.environ if name.startswith(ours)]:
        monkeypatch.delenv(name)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert (distributed.rank(devices=2), distributed.started()) == (rank, started)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def command(manifest: Path, out: Path, *more: str) -> list[str]:
    """What Python, or torchrun, is to run."""
    asked = ["fit", str(manifest), "--preset", "mini", "--epochs", "2", "--batch-size", "4", "--json"]
    return ["-m", "tests.trainer.small", *asked, "--out", str(out), *more]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), "MKL_NUM_THREADS": "1"}


@pytest.mark.long
def test_torchrun_on_two_machines(bars: Path, tmp_path: Path) -> None:
    """Two machines are two torchruns of one process that meet at a port."""
    port = free_port()
    script = command(bars, tmp_path / "run", "--nodes", "2")
    launch = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--nproc-per-node", "1"]
    meeting = ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    started = [
        subprocess.Popen(
            [*launch, "--node-rank", str(node), *meeting, *script],
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in (0, 1)
    ]
    outputs = [process.communicate(timeout=240) for process in started]
    assert [process.returncode for process in started] == [0, 0], outputs
    figures = json.loads(outputs[0][0])
    assert outputs[1][0] == ""
    assert figures["cda"]["n"] == 4
    settings = runs.read_settings(tmp_path / "run")
    assert (settings.devices, settings.batch_size, settings.accumulate) == (2, 4, 1)
    single = subprocess.run(
        [sys.executable, *command(bars, tmp_path / "single")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert single.returncode == 0, single.stderr
    assert json.loads(single.stdout).keys() == figures.keys()
    assert {path.name for path in (tmp_path / "single").iterdir()} == {
        path.name for path in (tmp_path / "run").iterdir()
    }


@pytest.mark.long
def test_torchrun_starts_two_on_a_machine(bars: Path, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    done = subprocess.run(
        [sys.executable, *launch, *command(bars, tmp_path / "run", "--devices", "2")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cda"]["n"] == 4, "printed by the first process alone"
    assert runs.read_settings(tmp_path / "run").devices == 2
    assert (tmp_path / "run" / "weights.pt").is_file()


def test_two_processes_take_the_steps_of_one(bars: Path, tmp_path: Path) -> None:
    """Without dropout the weights are the same, with gradients that add up too, and with batch norm over both."""
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "TORCHELASTIC_RUN_ID": "x"}
    sizes = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    (tmp_path / "two").mkdir()
    # the server imports PyTorch once for both
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["tests.trainer.plain_training"])
    started = [
        server.Process(
            target=plain_training.member,
            args=(bars, tmp_path / "two", 2, {**meeting, **sizes, "RANK": rank, "LOCAL_RANK": rank}),
        )
        for rank in ("0", "1")
    ]
    for process in started:
        process.start()
    try:
        for process in started:
            process.join(timeout=240)
    finally:
        for process in started:
            process.kill()
    assert [process.exitcode for process in started] == [0, 0]
    single = {case: plain_training.learn(bars, tmp_path / "one", case) for case in ("plain", "norm")}
    for case in plain_training.CASES:
        other, alone = torch.load(tmp_path / "two" / f"{case}.pt"), single["norm" if case == "norm" else "plain"]
        assert other.keys() == alone.keys()
        for name, value in other.items():
            # PyTorch adds up a batch norm's statistics in single precision, where channels come last
            near = {"rtol": 1e-3, "atol": 1e-3} if case == "norm" else {"rtol": None, "atol": None}
            torch.testing.assert_close(value, alone[name], **near)


def test_a_wrong_number_of_processes_is_a_sentence(bars: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    done = in_process(cli.main, "trainer", "fit", bars, "--preset", "mini", "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "error: 4 processes were started, but --devices 1 × --nodes 1 are 1; make them the same" in done.stderr
    assert not (tmp_path / "run").exists()
