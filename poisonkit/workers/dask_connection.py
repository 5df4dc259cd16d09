"""Reaching the scheduler of a Dask cluster."""

from __future__ import annotations

import json
import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from poisonkit.errors import PoisonkitError
from poisonkit.text import argument

if TYPE_CHECKING:
    from distributed import Client


CONNECT_TIMEOUT_S = 10.0
"""Seconds within which the scheduler must answer."""


def connect(address: str) -> Client:
    try:
        import distributed
    except ImportError:
        raise PoisonkitError(
            f"{argument('scheduler', address)} needs Dask, which is not installed", "pip install 'poisonkit[dask]'"
        ) from None
    for name in ("distributed", "distributed.client"):  # what they say is told here, in a sentence
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other versions are looked at here
            return distributed.Client(_resolved(address), timeout=CONNECT_TIMEOUT_S, set_as_default=False)
    except PoisonkitError:
        raise
    except Exception as error:  # of the network, of names, of the address, of another program at the port
        raise PoisonkitError(
            f"no scheduler answers at {argument('scheduler', address)} ({type(error).__name__})",
            "start one with `dask scheduler`, and give the address that it prints, such as tcp://HOST:8786",
        ) from None


def _resolved(address: str) -> str:
    """The address, which may stand in a file of `dask scheduler --scheduler-file`."""
    if not address.endswith(".json"):
        return address
    try:
        return str(json.loads(Path(address).read_text(encoding="utf-8"))["address"])
    except (OSError, ValueError, KeyError, TypeError):
        raise PoisonkitError(
            f"{argument('scheduler', address)} is no scheduler file",
            "give what `dask scheduler --scheduler-file` wrote, or an address",
        ) from None
