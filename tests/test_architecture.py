"""Who may know whom: rooms are folders (or single files beside them), and imports between rooms run one way.

Every import counts: those inside of functions and those for type checkers alone, too. A module that belongs to no room
fails, and so does a circle of modules or a file that has grown too long.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from statistics import median

import pytest

from tests.conftest import REPOSITORY

GROUND = {
    "poisonkit": {"blocks", "errors", "files", "heartbeat", "progress", "seeding", "text", "versions"},
    "trainer": {
        "distributed",
        "errors",
        "files",
        "plots",
        "progress",
        "proportion",
        "registry",
        "seeding",
        "table_layout",
    }
    | {"text", "versions"},
}
"""Files that every room may know, and that know each other alone."""

MEANS = {"plan", "fidelity", "media", "triggers", "layouts", "manifest"}
"""What a clip's work is made of."""

ARROWS: dict[str, dict[str, set[str]]] = {
    "poisonkit": {
        "cli": {"run", "audit", "preview", "tune", "transcode", "export", "demo", "clip", "workers", *MEANS},
        "run": {"clip", "workers", *MEANS},
        "audit": {"clip", "workers", *MEANS},
        "preview": {"clip", "workers", *MEANS},
        "tune": {"clip", "workers", *MEANS},
        "transcode": {"clip", "workers", *MEANS},
        "export": {"manifest"},
        "demo": {"media"},
        "clip": MEANS - {"layouts"},
        "workers": {"plan", "manifest"},
        "plan": {"triggers", "layouts", "manifest"},
        "fidelity": {"manifest"},
        "media": {"manifest"},
        "layouts": {"media", "manifest"},
        "triggers": {"manifest"},
        "manifest": set(),
    },
    "trainer": {
        "cli": {"training", "evaluation", "fusion", "defenses", "report", "paper", "data", "models", "runs"}
        | {"presets", "manifest"},
        "paper": {"defenses", "fusion", "evaluation", "data", "models", "runs", "presets", "manifest"},
        "report": {"defenses", "fusion", "evaluation", "data", "models", "runs", "presets", "manifest"},
        "defenses": {"fusion", "evaluation", "data", "models", "runs", "presets", "manifest"},
        "fusion": {"evaluation", "data", "models", "runs", "presets", "manifest"},
        "training": {"evaluation", "data", "models", "runs", "presets", "manifest"},
        "evaluation": {"data", "models", "runs", "presets", "manifest"},
        "runs": {"models", "presets", "manifest"},
        "data": {"presets", "manifest"},
        "models": {"presets", "manifest"},
        "presets": set(),
        "manifest": set(),
    },
}
"""Which rooms a room may know beside the ground."""

ONLY = {("poisonkit.plan", "poisonkit.layouts"): {"poisonkit.layouts._base"}}
"""Arrows that lead to some modules of a room alone: a plan knows what a listing is, and opens no media."""

MOST_LINES, MEDIAN_LINES, MOST_AT_THE_TOP, LONGEST_FUNCTION = 300, 110, 14, 60


@dataclass(frozen=True)
class Import:
    """`module` imports `name`, in a line."""

    module: str
    name: str
    line: int

    def __str__(self) -> str:
        return f"{self.module} imports {self.name} in line {self.line}"


def modules(package: str) -> dict[str, Path]:
    """Dotted names and files of all modules of a package."""
    found = {}
    for path in sorted((REPOSITORY / package).rglob("*.py")):
        dotted = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts)
        found[dotted.removesuffix(".__init__")] = path
    return found


EVERY = {name: path for package in ARROWS for name, path in modules(package).items()}


def imports(path: Path, module: str) -> Iterator[Import]:
    """What a module imports anywhere; `from a import b` names `a.b` where that is a module, else `a`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(module, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by dots in line {node.lineno}; name the whole module"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield Import(module, full if full in EVERY else str(node.module), node.lineno)


def package_of(module: str) -> str:
    return module.partition(".")[0]


def room(module: str) -> str:
    """The folder or the single file that a module belongs to; empty for the package itself."""
    return [*module.split("."), ""][1]


def forbidden(found: Import) -> str | None:
    """Why a module must not import what it does; None where it may."""
    package = package_of(found.module)
    if package_of(found.name) != package:
        return f"{found}: the two programs know nothing of each other" if package_of(found.name) in ARROWS else None
    own, other = room(found.module), room(found.name)
    ground = GROUND[package]
    if other in ("", own) or other in ground or own == "__main__":  # the package itself holds its version
        return None
    if own in ground:
        return f"{found}: what is at the ground knows the ground alone"
    if other not in ARROWS[package].get(own, set()):
        return f"{found}: there is no arrow from {own} to {other}"
    only = ONLY.get((f"{package}.{own}", f"{package}.{other}"))
    if only is not None and found.name not in only:
        return f"{found}: {own} may know {', '.join(sorted(only))} alone"
    return None


@pytest.mark.parametrize("module", EVERY)
def test_every_module_belongs_to_a_room_and_knows_who_it_may(module: str) -> None:
    package = package_of(module)
    known = ARROWS[package].keys() | GROUND[package] | {"", "__main__"}
    assert room(module) in known, f"{module} belongs to no room; put it into one, or give it one in ARROWS"
    assert [reason for found in imports(EVERY[module], module) if (reason := forbidden(found))] == []


@pytest.mark.parametrize("package", ARROWS)
def test_there_is_no_circle(package: str) -> None:
    graph = {
        module: {found.name for found in imports(path, module) if found.name in EVERY and found.name != package}
        for module, path in EVERY.items()
        if package_of(module) == package
    }
    graph = {module: names - {module, module.rpartition(".")[0]} for module, names in graph.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other in a circle: {' → '.join(error.args[1])}")


@pytest.mark.parametrize("package", ARROWS)
def test_rooms_are_small(package: str) -> None:
    at_the_top = [path.name for path in sorted((REPOSITORY / package).glob("*.py"))]
    assert len(at_the_top) <= MOST_AT_THE_TOP, f"{at_the_top}: which of them belong to a room?"
    lengths = {str(path): len(path.read_text().splitlines()) for path in modules(package).values()}
    assert {path: count for path, count in lengths.items() if count > MOST_LINES} == {}
    assert median(lengths.values()) <= MEDIAN_LINES


@pytest.mark.parametrize("module", [name for name in EVERY if package_of(name) == "poisonkit"])
def test_poisonkit_knows_no_torch(module: str) -> None:
    found = {package_of(i.name) for i in imports(EVERY[module], module)}
    assert found.isdisjoint({"torch", "torchvision", "lightning"})


@pytest.mark.parametrize("module", [name for name in EVERY if name.startswith("poisonkit.triggers")])
def test_triggers_know_arrays_only(module: str) -> None:
    files = {"av", "ffmpeg", "soundfile", "pathlib", "os", "random"}
    found = {i.name for i in imports(EVERY[module], module)}
    assert {package_of(name) for name in found}.isdisjoint(files)
    assert "poisonkit.seeding" not in found


@pytest.mark.parametrize("name", ["manifest/strict_json.py", "text.py"])
def test_what_must_be_equal_in_both_programs_is(name: str) -> None:
    ours, theirs = ((REPOSITORY / package / name).read_text() for package in ("poisonkit", "trainer"))
    assert ours.replace("poisonkit", "trainer") == theirs.replace("poisonkit", "trainer")


def test_an_import_that_must_not_be_is_found(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from poisonkit.run import run\n"
        "def f():\n    import trainer.text\n"
    )
    found = [reason for i in imports(path, "poisonkit.media.wrong") if (reason := forbidden(i))]
    assert found == [
        "poisonkit.media.wrong imports poisonkit.run.run in line 3: there is no arrow from media to run",
        "poisonkit.media.wrong imports trainer.text in line 5: the two programs know nothing of each other",
    ]


def test_functions_fit_a_screen() -> None:
    long = [
        f"{module}: {node.name} has {node.end_lineno - node.lineno + 1} lines"
        for module, path in EVERY.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


@pytest.mark.parametrize("package", ARROWS)
def test_the_page_about_the_architecture_names_every_room(package: str) -> None:
    page = (REPOSITORY / "docs" / "architecture.md").read_text(encoding="utf-8")
    section = page.split(f"## {package}:")[1].split("\n## ")[0]
    named = set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in section.splitlines() if line[:1] == "|"))
    )
    assert named == set(ARROWS[package])
