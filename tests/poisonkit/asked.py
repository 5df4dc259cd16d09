"""Settings of a run from flat keywords, as a command has them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from poisonkit.plan.copy_options import CopyOptions
from poisonkit.run.settings import Settings


def settings(out: Path, manifest: Path, **given: Any) -> Settings:
    """Settings whose copy options are among `given`; without workers beside the test's own process."""
    of_copy = {field.name for field in fields(CopyOptions)}
    options = CopyOptions(**{name: value for name, value in given.items() if name in of_copy})
    others = {name: value for name, value in given.items() if name not in of_copy}
    return Settings(out, manifest, options, **{"workers": 0, **others})
