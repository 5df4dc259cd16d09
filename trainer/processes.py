"""This process's place among those that train together, as whoever started it tells: torchrun, Slurm or Lightning."""

from __future__ import annotations

import os


def rank(devices: int) -> int:
    """The number of this process among all, from 0; each of several machines runs `devices` of them."""
    if "RANK" in os.environ:  # torchrun
        return int(os.environ["RANK"])
    if in_slurm():
        return int(os.environ["SLURM_PROCID"])
    # Lightning starts the others of its machine itself
    return int(os.environ.get("NODE_RANK", "0")) * devices + int(os.environ.get("LOCAL_RANK", "0"))


def started() -> int | None:
    """How many processes torchrun or Slurm have started; None where Lightning starts them."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ["SLURM_NTASKS"]) if in_slurm() else None


def in_slurm() -> bool:
    """Whether `srun` has started this process as one of several tasks, which Lightning then joins."""
    if os.environ.get("SLURM_JOB_NAME") in ("bash", "interactive"):
        return False
    return "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1
