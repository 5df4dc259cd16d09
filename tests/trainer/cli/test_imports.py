"""The trainer stands alone, its imports run one way, and its command line starts quickly."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import trainer

PACKAGE = Path(trainer.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

LAYERS = [
    {"errors", "seeding", "versions", "processes", "linear", "wording", "strict_json", "shared_norm"},
    {"manifest", "sampling", "progress", "registry"},
    {"presets", "crops", "metrics", "examples", "details"},
    {"media", "models", "runs"},
    {"sounds"},
    {"stores", "learning", "compare", "trained", "plots"},
    {"clips", "estimate"},
    {"sources", "observing", "pairing", "tables"},
    {"training", "evaluate", "fusion"},
    {"defenses", "explain"},
    {"report", "paper"},
    {"fit"},
    {"cli"},
    {"__main__"},
]
"""A module imports from layers above its own alone; within `models`, files know each other."""


def imported(path: Path) -> set[str]:
    """The full names of the modules that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_never_imports_poisonkit(path: Path) -> None:
    assert not {name for name in imported(path) if name.split(".")[0] == "poisonkit"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path: Path) -> None:
    module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if module == "__init__":
        return
    (layer,) = [k for k, names in enumerate(LAYERS) if module in names]
    known = set().union(*LAYERS)
    used = {name.split(".")[1] for name in imported(path) if name.startswith("trainer.")} & known
    allowed = set().union(*LAYERS[:layer]) | {module}
    assert used <= allowed


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'av', 'numpy', 'lightning', 'cv2'}"
    code = f"import sys, trainer.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
