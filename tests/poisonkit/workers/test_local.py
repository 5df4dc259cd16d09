"""What local workers are started with; what they do with clips is tested where runs are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from types import SimpleNamespace

import pytest

from poisonkit.workers import local, process_setup


def test_a_worker_ends_though_its_parent_did_before_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """A parent may be killed while the worker still imports: it is then another process's child from the start."""
    ended = threading.Event()

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(process_setup, "prepare", lambda: None)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getppid() + 1))
    monkeypatch.setattr(os, "_exit", lambda _: ended.set())
    try:
        local._begin()
        assert ended.wait(10)
    finally:
        signal.signal(signal.SIGINT, handler)
