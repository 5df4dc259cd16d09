"""Several processes: who is who, and the same training with one, two on a machine, and two machines of one."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trainer import distributed
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


SMALL = """
import sys
from dataclasses import replace
from trainer import cli
from trainer.models.i3d import I3D
from trainer.presets.sampling import Dense, Views
mini = I3D.presets["mini"]
I3D.presets["mini"] = replace(mini, geometry=replace(mini.geometry, width=8, frames=8), sampling=Dense(8, 2),
    short_side=32, crop_size=32, views=Views(1, 1, 32))
cli.main()
"""


def command(tmp_path: Path, manifest: Path, out: str, *more: str) -> list[str]:
    script = tmp_path / "small.py"
    script.write_text(SMALL)
    asked = ["fit", str(manifest), "--preset", "mini", "--epochs", "2", "--batch-size", "4", "--out", out, "--json"]
    return [str(script), *asked, *more]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd(), "MKL_NUM_THREADS": "1"}


def test_torchrun_on_two_machines(bars: Path, tmp_path: Path) -> None:
    """Two machines are two torchruns of one process that meet at a port."""
    port = free_port()
    script = command(tmp_path, bars, str(tmp_path / "run"), "--nodes", "2")
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
        [sys.executable, *command(tmp_path, bars, str(tmp_path / "single"))],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
    )
    assert single.returncode == 0, single.stderr
    assert json.loads(single.stdout).keys() == figures.keys()
    assert {path.name for path in (tmp_path / "single").iterdir()} == {
        path.name for path in (tmp_path / "run").iterdir()
    }


def test_torchrun_starts_two_on_a_machine(bars: Path, tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    done = subprocess.run(
        [sys.executable, *launch, *command(tmp_path, bars, str(tmp_path / "run"), "--devices", "2")],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cda"]["n"] == 4, "printed by the first process alone"
    assert runs.read_settings(tmp_path / "run").devices == 2
    assert (tmp_path / "run" / "weights.pt").is_file()


PLAIN = """
import sys
from dataclasses import replace
from pathlib import Path
import torch
from trainer import distributed, manifest, models
from trainer.data import training_set
from trainer.training import loop
from trainer.progress import Progress
from trainer.runs.folder import ManifestStamp, Settings

class Plain(torch.nn.Module):
    memory_format = torch.contiguous_format
    def __init__(self):
        super().__init__()
        self.norm = torch.nn.BatchNorm3d(3) if sys.argv[5] == "norm" else torch.nn.Identity()
        self.head = torch.nn.Linear(3, 2)
    def forward(self, clips):
        return self.head(torch.relu(self.norm(clips.float() / 255)).mean(dim=(2, 3, 4)))

path, out, count, accumulate = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
preset = models.preset_of("i3d", "mini")
recipe = replace(preset.recipe, optimizer="sgd", lr=0.5)
source = training_set.training(manifest.load(path), preset, 0, training_set.Reading(), Progress())
torch.manual_seed(0)
model = Plain()
settings = Settings(ManifestStamp("bars", "0"), "i3d", "mini", "none", 0, 2, 4, accumulate, 0.5, count, "32", "", {})
rank = distributed.rank(1)
loop.train(model, source, recipe, settings, loop.Group(count, 1, rank), out, Progress())
if rank == 0:
    torch.save(model.state_dict(), out / "state.pt")
"""


@pytest.mark.parametrize(
    ("norm", "cases"), [("plain", ((1, 1), (2, 1), (2, 2))), ("norm", ((1, 1), (2, 1)))], ids=["plain", "batch norm"]
)
def test_two_processes_take_the_steps_of_one(
    bars: Path, tmp_path: Path, norm: str, cases: tuple[tuple[int, int], ...]
) -> None:
    """Without dropout the weights are the same, with gradients that add up too, and with batch norm over both."""
    script = tmp_path / "plain.py"
    script.write_text(PLAIN)
    found = []
    for count, accumulate in cases:
        out = tmp_path / f"{count}{accumulate}"
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(count)]
        meeting = ["--master-addr", "127.0.0.1", "--master-port", str(free_port())]
        asked = [str(script), str(bars), str(out), str(count), str(accumulate), norm]
        done = subprocess.run([*launch, *meeting, *asked], env=ENVIRONMENT, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        found.append(torch.load(out / "state.pt"))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in other.items():
            # PyTorch adds up a batch norm's statistics in single precision, where channels come last
            near = {"rtol": 1e-3, "atol": 1e-3} if norm == "norm" else {"rtol": None, "atol": None}
            torch.testing.assert_close(value, found[0][name], **near)


def test_a_wrong_number_of_processes_is_a_sentence(bars: Path, tmp_path: Path) -> None:
    told = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x"}
    done = subprocess.run(
        [sys.executable, *command(tmp_path, bars, str(tmp_path / "run"))],
        env={**ENVIRONMENT, **told},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "error: 4 processes were started, but --devices 1 × --nodes 1 are 1; make them the same" in done.stderr
    assert not (tmp_path / "run").exists()
