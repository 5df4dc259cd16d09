"""JSON that says one thing: an object with a key twice, or a number out of range, is refused."""

from __future__ import annotations

import contextlib
import gc
import json
import math
from collections import Counter
from collections.abc import Iterator
from typing import TypeVar

import msgspec

T = TypeVar("T")

_BATCH = 2000
"""Samples that are read and written again at once: all of them would take gigabytes."""
_LONG = 2**20
"""Bytes of a part from which it is not read and written again, since it would be there twice."""


class RepeatedKey(ValueError):
    """Some object holds `key` twice, and readers disagree on which of them counts."""

    def __init__(self, key: str) -> None:
        super().__init__(f"the key {key!r} occurs twice in one object")
        self.key = key


def decode(text: bytes, kind: type[T]) -> T:
    """A document with a list of `samples` as a `kind` of msgspec.

    Raises `msgspec.DecodeError`, `RepeatedKey`, and `ValueError` for numbers out of range.
    """
    with _collecting_later():
        document = msgspec.json.decode(text, type=kind)
        key = None if _surely_plain(text) else _repeated_key(text)
    if key is not None:
        raise RepeatedKey(key)
    return document


@contextlib.contextmanager
def _collecting_later() -> Iterator[None]:
    """No garbage collection meanwhile: it would go through a growing heap in vain, again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _finite(text: str) -> None:
    """The reader of the structs would take 1e999 for infinity."""
    if not math.isfinite(float(text)):
        raise ValueError(f"the number {text[:40]} is out of range")


def _surely_plain(text: bytes) -> bool:
    """Whether a JSON text holds no key twice and no number out of range, which is seen by reading and writing it.

    What is written again has a colon less for each key that was repeated, and a null more for each number that is none.
    False also where that does not show at a glance: `_repeated_key` then goes through all of it, ten times as slowly.
    """
    if b"\\u003" in text:  # an escaped colon would be written as one, and keys are counted by them
        return False
    try:
        parts = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        samples = msgspec.json.decode(parts.pop("samples", msgspec.Raw(b"[]")), type=list[msgspec.Raw])
    except msgspec.DecodeError:
        return False
    if any(len(part) > _LONG for part in (*parts.values(), *samples)):
        return False
    keys, nulls = _counted(msgspec.json.encode({name: msgspec.json.decode(part) for name, part in parts.items()}))
    for start in range(0, len(samples), _BATCH):
        batch = b"[" + b",".join(samples[start : start + _BATCH]) + b"]"
        more_keys, more_nulls = _counted(msgspec.json.encode(msgspec.json.decode(batch)))
        keys, nulls = keys + more_keys, nulls + more_nulls
    return _counted(text) == (keys + 1, nulls)  # one for the samples' own key


def _counted(text: bytes) -> tuple[int, int]:
    """How many colons and nulls there are."""
    return text.count(b":"), text.count(b"null")


def _repeated_key(text: bytes) -> str | None:
    """A key that some object of a JSON text holds twice, else None; raises `ValueError` for numbers out of range."""
    found: list[str] = []

    def see(pairs: list[tuple[str, object]]) -> None:
        if len(dict(pairs)) < len(pairs):
            found.extend(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)

    # nothing is kept: objects become None; Latin-1, since in another text each character may take four bytes
    json.loads(text.decode("latin-1"), object_pairs_hook=see, parse_float=_finite)
    return found[0].encode("latin-1", "replace").decode(errors="replace") if found else None
