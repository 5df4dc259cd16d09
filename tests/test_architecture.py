"""Imports run one way, and the two halves do not know each other."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

# each row may import the rows below it and its own
POISONKIT = [
    {"__main__"},
    {"cli"},
    {"show", "screen"},
    {"hearing", "preview_sound", "transcode", "tune", "perceived"},
    {"run", "verify", "rederive", "export", "preview", "views", "scan", "demo"},
    {"cluster"},
    {"quality", "record", "differing"},
    {"state"},
    {"plan", "pool"},
    {"rewrite", "layouts"},
    {"change_sound"},
    {"change"},
    {"planes"},
    {"jobs"},
    {"triggers", "fidelity_sound", "geometry"},
    {"fidelity", "media", "placement"},
    {"files"},
    {"manifest", "seeding", "errors", "watchdog", "worker"},
    {"strict_json", "wording"},
]
THIRD_PARTY_OF_TRIGGERS = {"numpy", "cv2", "scipy", "poisonkit"}


def modules(package: str) -> list[Path]:
    return sorted((REPOSITORY / package).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere, inside functions too; those for type checkers alone do not count."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(path: Path) -> str:
    return path.relative_to(REPOSITORY / "poisonkit").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", [p for p in modules("poisonkit") if part(p) != "__init__"], ids=str)
def test_imports_of_poisonkit_run_downwards(path: Path) -> None:
    rank = {name: level for level, names in enumerate(POISONKIT) for name in names}
    own = part(path)
    assert own in rank, f"{own} has no place in the order yet"
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "poisonkit" and len(parts) > 1 and parts[1] in rank:
            assert rank[parts[1]] >= rank[own], f"{path.name} imports {name}"


@pytest.mark.parametrize("path", modules("poisonkit"), ids=str)
def test_poisonkit_knows_no_trainer_and_no_torch(path: Path) -> None:
    assert {name.split(".")[0] for name in imported(path)}.isdisjoint({"trainer", "torch", "torchvision", "lightning"})


@pytest.mark.parametrize("path", modules("trainer"), ids=str)
def test_trainer_knows_no_poisonkit(path: Path) -> None:
    assert "poisonkit" not in {name.split(".")[0] for name in imported(path)}


@pytest.mark.parametrize("path", modules("poisonkit/triggers"), ids=str)
def test_triggers_know_arrays_only(path: Path) -> None:
    assert {n.split(".")[0] for n in imported(path)}.isdisjoint(
        {"av", "ffmpeg", "soundfile", "pathlib", "os", "random"}
    )
    assert not any(n.startswith(("poisonkit.seeding", "poisonkit.media")) for n in imported(path))
