"""The documentation holds together: links lead somewhere, commands exist, tables are what the code says."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer.main

import poisonkit.cli
import trainer.cli
from poisonkit.triggers import TRIGGERS
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
PAGES = [REPOSITORY / "README.md", *sorted(DOCS.rglob("*.md")), REPOSITORY / "manifests" / "README.md"]
PROGRAMS: dict[str, Any] = {
    "poisonkit": typer.main.get_command(poisonkit.cli.app),
    "trainer": typer.main.get_command(trainer.cli.app),
}
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())


def made_by(name: str = "attacks") -> ModuleType:
    """The script that makes pages of docs/."""
    spec = importlib.util.spec_from_file_location(f"{name}_pages", DOCS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- links ----------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.+)$", without_code(page.read_text()), re.MULTILINE)
    plain = [re.sub(r"[^\w\- ]", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", h)).lower() for h in headings]
    return {h.strip().replace(" ", "-") for h in plain}


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def broken(page: Path, text: str) -> list[str]:
    """Links of a page that lead nowhere."""
    lost = []
    for link in re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", without_code(text))):
        if re.match(r"\w+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    return lost


@each_page
def test_links_and_pictures_are_there(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = DOCS / "README.md"
    text = "[a](training.md#weights) [b](training.md#nothing) ![c](images/none.png) [d](https://example.org/x)"
    assert broken(page, text) == ["training.md#nothing", "images/none.png"]


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert [p.name for p in DOCS.glob("*.md") if p.name != "README.md" and f"]({p.name})" not in index] == []


def test_the_citation_is_of_this_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    said = dict(re.findall(r"^(version|license): (.+)$", (REPOSITORY / "CITATION.cff").read_text(), re.MULTILINE))
    assert said == {"version": project["version"], "license": project["license"]}


# --- commands -------------------------------------------------------------------------------------


def blocks(text: str) -> Iterator[str]:
    """Command lines of the blocks marked `sh`, with continued lines joined and comments taken off."""
    for block in re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield shlex.join(words)


def mistake(line: str) -> str | None:
    """What the program would say about a command line; None where it would take it."""
    words = shlex.split(line)
    place = next((i for i, word in enumerate(words) if Path(word).name in PROGRAMS), None)
    if place is None:
        return mistake_of_make(words)
    program = PROGRAMS[Path(words[place]).name]
    name, *arguments = words[place + 1 :] or [""]
    if arguments == ["--help"] or name == "--help":
        arguments = []
    elif name in program.commands:
        for mark in ("|", ">", "&&", ";"):
            arguments = arguments[: arguments.index(mark)] if mark in arguments else arguments
        try:
            program.commands[name].make_context(name, arguments)
        except Exception as error:  # of click, which Typer may bring as a part of itself
            return f"{line}: {error}"
        return None
    return None if name in {*program.commands, "--help"} else f"{line}: there is no command {name}"


def mistake_of_make(words: list[str]) -> str | None:
    if words[0] != "make":
        return None
    known = re.findall(r"^([\w-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    unknown = [word for word in words[1:] if "=" not in word and word not in known]
    return f"{shlex.join(words)}: there is no target {unknown[0]}" if unknown else None


@each_page
def test_commands_of_examples_exist(page: Path) -> None:
    assert [said for line in blocks(page.read_text()) if (said := mistake(line)) is not None] == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("poisonkit poison demo --attack sig --rate 0.1", None),
        ("srun --nodes 2 trainer fit m.json --devices 4", None),
        ("poisonkit poison demo --attack sig --ratio 0.1", "--ratio"),
        ("poisonkit poison --attack sig", "source"),
        ("trainer fit m.json --precision 8", "8"),
        ("trainer fits m.json", "there is no command fits"),
        ("make dmeo", "there is no target dmeo"),
        ("python docs/attacks.py demo", None),
    ],
)
def test_a_command_that_does_not_exist_is_found(line: str, said: str | None) -> None:
    found = mistake(line)
    assert found is None if said is None else found is not None and said in found


@each_page
def test_usage_lines_name_what_exists(page: Path) -> None:
    """Blocks without a language hold synopses: their commands and options must exist, too."""
    for block in re.findall(r"^```\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            found = re.match(r"(poisonkit|trainer) ([a-z][a-z-]*)(.*)", line)
            if found:
                command = PROGRAMS[found[1]].commands[found[2]]
                known = {name for param in command.params for name in [*param.opts, *param.secondary_opts]}
                assert set(re.findall(r"--[a-z-]+", found[3].split("#")[0])) <= {*known, "--help"}, line


@each_page
def test_examples_in_python_import_what_exists(page: Path) -> None:
    """Every `from poisonkit… import name` of a block of Python; what an example itself adds is no module here."""
    for block in re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PROGRAMS:
                module = importlib.import_module(node.module or "")
                missing = [name.name for name in node.names if not hasattr(module, name.name)]
                assert missing == [], f"{node.module} has no {', '.join(missing)}"


# --- attacks --------------------------------------------------------------------------------------


def test_every_attack_has_its_page_and_picture() -> None:
    assert sorted(p.stem for p in (DOCS / "attacks").glob("*.md")) == sorted(["README", *TRIGGERS])
    for name in TRIGGERS:
        assert f"](../images/attacks/{name}.png)" in (DOCS / "attacks" / f"{name}.md").read_text()
        assert (DOCS / "images" / "attacks" / f"{name}.png").stat().st_size < 60_000


@pytest.mark.parametrize("name", ["README", *TRIGGERS])
def test_tables_are_what_the_code_says(name: str) -> None:
    text = (DOCS / "attacks" / f"{name}.md").read_text()
    assert re.findall(r"<!-- (\w+) -->", text) == (
        ["attacks", "end"] if name == "README" else ["parameters", "end", "survival", "end"]
    )
    assert made_by().filled(text, name) == text, "python docs/attacks.py brings the page up to date"


def test_a_table_of_parameters() -> None:
    lines = made_by().parameters(TRIGGERS["badnet"]).splitlines()
    assert lines[2] == "| `patch` | `0.2` | 0.01 … 1.0 | of the frame's short side | side of the patch |"
    assert lines[4].startswith("| `position` | `bottom` | bottom \\| center \\| corner | – | where a static patch lies")
    assert len(lines) == 5


def test_survival_is_taken_from_its_page() -> None:
    page = (
        "text\n"
        "| attack | mode | of | gain | far |\n"
        "| --- | --- | --- | --- | --- |\n"
        "| sig | static | video | 0.9 |  |\n"
        "| sig (with sine) | static | video | 0.8 |  |\n"
        "| sine | static | audio | 0.7 | 1 |\n"
    )
    assert made_by().survival("sig", page).splitlines() == [
        "| attack | mode | gain |",
        "| --- | --- | --- |",
        "| sig | static | 0.9 |",
        "| sig (with sine) | static | 0.8 |",
    ]


def test_an_empty_block_takes_nothing_else_along() -> None:
    page = "<!-- parameters -->\n<!-- end -->\n\n## Kept\n\n<!-- survival -->\nold\n<!-- end -->\n"
    made = made_by().filled(page, "badnet")
    assert "## Kept" in made
    assert "| `patch` |" in made.split("## Kept")[0]
    assert "old" not in made


def test_a_block_may_be_empty_within_a_line() -> None:
    assert "| `patch` |" in made_by().filled("<!-- parameters --> <!-- end -->\n", "badnet")


@pytest.mark.parametrize(
    "page", ["<!-- survivl -->\n<!-- end -->\n", "<!-- parameters -->\n\n", "text\n<!-- end -->\n"]
)
def test_a_block_that_cannot_be_made_is_a_sentence(page: str) -> None:
    with pytest.raises(SystemExit, match=r"badnet.md has .*; write <!-- BLOCK --> … <!-- end --> with one of"):
        made_by().filled(page, "badnet")


def test_an_attack_without_a_row_of_survival_says_how_to_measure_it() -> None:
    made = made_by().survival("flash", "| attack | mode |\n| --- | --- |\n| sig | static |\n")
    assert made == "Not measured yet: `make survival ATTACKS=flash`."


def test_measured_rows_take_the_place_of_theirs_and_all_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, page = made_by("survival"), tmp_path / "survival.md"
    rows = ["| badnet | static | video | 1 |", "| gone | static | video | 1 |", "| sig | static | video | 1 |"]
    page.write_text("\n".join(["old text", "| attack |", "| --- |", *rows]))
    new = ["| sig | static | video | 2 |", "| blend | dynamic | video | 3 |"]
    monkeypatch.setattr(made, "_measured", lambda _: new)
    made.update(tmp_path, page)
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")][2:]
    assert lines == [rows[0], new[1], new[0]]
    monkeypatch.setattr(made, "_measured", lambda _: [])
    before = page.read_text()
    with pytest.raises(SystemExit, match="holds no manifests of copies"):
        made.update(tmp_path, page)
    assert page.read_text() == before


def test_a_new_attacks_page_begins_with_what_its_class_says() -> None:
    made = made_by()
    page = made.filled(made.begun("badnet", TRIGGERS["badnet"]), "badnet")
    assert page.startswith("# badnet\n\nStamp a square patch of random colour blocks onto the frame.\n")
    assert re.findall(r"<!-- (\w+) -->", page) == ["parameters", "end", "survival", "end"]
    assert "](../images/attacks/badnet.png)" in page
    assert TRIGGERS["badnet"].source in page
    assert all(mistake(line) is None for line in page.splitlines() if line.startswith("poisonkit "))
