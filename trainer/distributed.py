"""This process's place among those that train together, as whoever started it tells: torchrun, Slurm or Lightning."""

from __future__ import annotations

import os
from typing import Literal

Launcher = Literal["torchrun", "slurm", "lightning"]


def launcher() -> Launcher:
    """Who starts the processes of a training; Lightning starts those of its machine itself, where nobody else has."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return "torchrun"
    # set by `srun` for the tasks of a step, not for the batch script around it
    return "slurm" if int(os.environ.get("SLURM_STEP_NUM_TASKS", "1")) > 1 else "lightning"


def rank(devices: int) -> int:
    """The number of this process among all, from 0; each of several machines runs `devices` of them."""
    if launcher() == "torchrun":
        return int(os.environ["RANK"])
    if launcher() == "slurm":
        return int(os.environ["SLURM_PROCID"])
    return int(os.environ.get("NODE_RANK", "0")) * devices + int(os.environ.get("LOCAL_RANK", "0"))


def started() -> int | None:
    """How many processes torchrun or Slurm have started; None where Lightning starts them."""
    names = {"torchrun": "WORLD_SIZE", "slurm": "SLURM_STEP_NUM_TASKS"}
    name = names.get(launcher())
    return None if name is None else int(os.environ[name])


def cpus() -> int:
    """The CPUs that this process may use, which on a shared machine are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
