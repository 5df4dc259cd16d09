"""The paper's own numbers, from `results.json`: proportions in percent as printed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

NAMES = {"ucf101": "UCF-101", "hmdb51": "HMDB-51", "kinetics-sounds": "Kinetics-Sounds"}


@dataclass(frozen=True)
class Theirs:
    """CDA and ASR in percent. Their ASR counts all triggered clips, the target's own too: compare it with `asr_all`."""

    cda: float | None
    asr: float | None


@lru_cache
def results() -> dict[str, Any]:
    """The whole file."""
    content: dict[str, Any] = json.loads(Path(__file__).with_name("results.json").read_text())
    return content


def table(number: int) -> dict[str, Any]:
    """One table by its number, 1 to 7."""
    found: dict[str, Any] = next(part for name, part in results().items() if name.startswith(f"table{number}_"))
    return found


def cell(number: int, case: str, column: str) -> Theirs:
    """Of tables 1 to 4 and 6: `case` is an attack or `baseline`, `column` a data set or a model; 6 has none."""
    rows = table(number)
    found = rows.get(case, {})
    found = found if number == 6 else found.get(column, {})
    return Theirs(found.get("cda"), found.get("asr"))


def fused(mode: str, video: str, audio: str) -> Theirs:
    """Of table 7."""
    found = table(7)[mode].get(video, {}).get(audio, {})
    return Theirs(found.get("cda"), found.get("asr"))
