"""The state of an unfinished run: a folder `.poisonkit` in the output, gone once the manifest is written.

It holds a lock (one run at a time), what was decided before the first clip (the plan's fingerprint, the copy's options,
the chosen rungs), and a journal with one line per finished clip. A line that a crash tore off is ignored: its clip is
simply done again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from pathlib import Path
from typing import IO

import msgspec

from poisonkit.errors import PoisonkitError
from poisonkit.files import FOLDER, Method
from poisonkit.manifest import Modality, Rung, Sample, Skipped, Trial
from poisonkit.plan.copy_options import CopyOptions
from poisonkit.text import argument


class Chosen(msgspec.Struct):
    """What was decided before the first clip, so that continuing cannot decide otherwise."""

    fingerprint: str
    options: CopyOptions
    rungs: dict[Modality, Rung]
    trials: list[Trial]
    versions: dict[str, str]


class Entry(msgspec.Struct, omit_defaults=True):
    """One finished clip. `source` is (size, mtime_ns) of the file it was made from."""

    id: str
    source: tuple[int, int]
    sample: Sample | None = None
    skipped: Skipped | None = None
    carried: Method | None = None
    size: int = 0
    encoder_line: str | None = None
    sound_line: str | None = None


class State:
    """The state folder of one output; use `acquire`, then `close` or `finish`."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self.folder = out / FOLDER
        self._lock: IO[bytes] | None = None
        self._journal: IO[bytes] | None = None

    def acquire(self) -> None:
        """Create the folder and lock it; raises `PoisonkitError` when another run holds it."""
        (self.folder / "partial").mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise PoisonkitError(
                f"another run is writing to {self._out}", f"wait for it, or give another {argument('out')}"
            ) from None
        for leftover in [*(self.folder / "partial").iterdir(), *self.folder.glob("cluster-*")]:
            leftover.unlink(missing_ok=True)  # a worker on another machine may take away its own at the same time

    def chosen(self) -> Chosen | None:
        """What an earlier run decided, None where there was none.

        Raises `PoisonkitError` for what another version of poisonkit decided.
        """
        try:
            return msgspec.json.decode((self.folder / "chosen.json").read_bytes(), type=Chosen)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError:
            raise PoisonkitError(
                f"{self._out} holds an unfinished run of another version of poisonkit",
                f"finish it with that one, remove the folder, or give another {argument('out')}",
            ) from None

    def choose(self, chosen: Chosen) -> None:
        """Record what was decided."""
        temporary = self.folder / "chosen.json.partial"
        temporary.write_bytes(msgspec.json.encode(chosen))
        os.replace(temporary, self.folder / "chosen.json")

    def entries(self) -> dict[str, Entry]:
        """The finished clips by id; of a clip that was done again, the last time."""
        found: dict[str, Entry] = {}
        with contextlib.suppress(FileNotFoundError), (self.folder / "journal.jsonl").open("rb") as lines:
            for line in lines:
                try:
                    entry = msgspec.json.decode(line, type=Entry)
                except msgspec.DecodeError:
                    continue  # the torn last line of a killed run
                found[entry.id] = entry
        return found

    def record(self, entry: Entry) -> None:
        """Append one finished clip."""
        if self._journal is None:
            self._journal = (self.folder / "journal.jsonl").open("ab")
            self._journal.write(b"\n")  # ends a line that an earlier run left torn
        self._journal.write(msgspec.json.encode(entry) + b"\n")
        self._journal.flush()

    def close(self) -> None:
        """Leave the state as it is, for a run to come."""
        if self._journal is not None:
            self._journal.close()
        if self._lock is not None:
            self._lock.close()

    def finish(self) -> None:
        """The manifest is written: remove the state."""
        self.close()
        for pause in (0.1, 0.5, 2.0):
            try:
                shutil.rmtree(self.folder)
            except OSError:  # a worker that was taken for lost still writes here, or NFS keeps what is open
                time.sleep(pause)
            else:
                return
        shutil.rmtree(self.folder)
