"""Names of classes and files that mean something to terminals, shells, browsers and libraries: shown as they are."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from poisonkit import manifest as contract
from poisonkit.cli import output, table_layout
from poisonkit.cli.progress import Screen
from poisonkit.errors import ManifestError, PoisonkitError
from poisonkit.layouts import read
from poisonkit.text import MOST, harmless_json, shown
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.cli.test_cli import call, refused
from tests.reliability.test_fuzz import VALID, changed
from trainer import manifest as view
from trainer.cli import tables
from trainer.errors import ManifestError as RefusedByTrainer
from trainer.paper.sheet import Sheet
from trainer.progress import Progress
from trainer.proportion import Proportion
from trainer.runs.metrics import Scores
from trainer.text import shown as shown_by_trainer

CONTROLS = ("a\nb", "a\rb", "a\tb", "\x1b[31mred", "\x1b]0;title\x07", "a\x7fb", "a\x9b31mb", "a\u2028b", "a\0b")
"""Line breaks, escape sequences of terminals, DEL, C1, and what ends a string in C."""
LITERAL = (
    "[bold]x[/bold]",
    "[/]",
    "[link=https://example.invalid]a[/link]",
    "\\[red]",
    ":smile:",
    "<img src=x onerror=alert(1)>",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned #",
    "%s {0} {{7*7}}",
    "--help",
    "'\"&&",
)
"""What some program might take for more than words, and must not."""


@pytest.mark.parametrize("name", CONTROLS)
def test_control_characters_in_names_are_refused(tmp_path: Path, name: str) -> None:
    """In the name of a file, of a class folder and of a class in a list: one sentence, with the name escaped."""
    for kind, root in (("file", tmp_path / "a"), ("folder", tmp_path / "b"), ("list", tmp_path / "c")):
        for path in ("train/x/1.mp4", "train/y/2.mp4", "test/x/3.mp4", "test/y/4.mp4"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).touch()
        if "\0" not in name and kind == "file":
            (root / f"train/x/{name}.mp4").touch()
        elif "\0" not in name and kind == "folder":
            (root / "train" / name).mkdir()
            (root / f"train/{name}/5.mp4").touch()
        elif kind == "list":
            rows = [f'train/x/1.mp4,"{name}",train', "train/y/2.mp4,y,train", "test/y/4.mp4,y,test"]
            (root / "clips.csv").write_bytes("\n".join(["path,label,split", *rows]).encode())
        else:
            continue
        with pytest.raises(PoisonkitError) as caught:
            read(root)
        said = str(caught.value)
        assert said == shown(said)
        assert "; " in said


@pytest.mark.parametrize("name", CONTROLS)
@pytest.mark.parametrize(
    "place", [("name",), ("root",), ("classes", 1), ("samples", 0, "id"), ("samples", 0, "path")], ids=str
)
def test_control_characters_in_manifests_are_refused(tmp_path: Path, name: str, place: tuple[Any, ...]) -> None:
    path = tmp_path / "m.json"
    path.write_text(json.dumps(changed(place, name)))
    for load, error in ((contract.load, ManifestError), (view.load, RefusedByTrainer)):
        with pytest.raises(error) as caught:
            load(path)
        said = str(caught.value)
        assert "control character" in said
        assert said == shown(said)


def printed(monkeypatch: pytest.MonkeyPatch, make: Callable[[], object]) -> str:
    """What a table looks like on a wide terminal."""
    console = Console(file=io.StringIO(), width=400, force_terminal=True, color_system=None)
    for module in (tables, __import__("trainer.paper.sheet", fromlist=["sheet"])):
        monkeypatch.setattr(module, "Console", lambda **_: console)
    found = make()
    if found is not None:
        console.print(found)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("name", LITERAL)
def test_tables_show_names_as_they_are(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    share = Proportion(0.5, 4, 0.2, 0.8)
    figures = Scores(cda=share, asr=None, asr_all=None, false_target=None, ra=None, sham_asr=None)
    sheet = Sheet(name, ["a", "b"], [[name, "1"]], [name])
    for make in (
        lambda: table_layout.facts(name, [(name, name)]),
        lambda: table_layout.table(name, "a"),
        lambda: tables.show_figures(figures, name),
        lambda: tables.show_rows(name, ["a"], [[name]]),
        sheet.show,
    ):
        found = printed(monkeypatch, make)
        # narrow tables fold their titles
        assert "".join(name.split()) in "".join(found.split()), found
        assert "\x1b]8" not in found, "a link"


def test_progress_shows_names_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.StringIO()
    Screen(Console(file=file, width=400)).say("[/] [bold]x\x1b[31m")
    progress = Progress()
    progress.console = Console(file=file, width=400)
    progress.say("[/] [bold]x\x1b[31m")
    assert file.getvalue() == "[/] [bold]x\\x1b[31m\n" * 2


def test_errors_are_one_line_of_some_length(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        output.fail("a\nb\x1b[2J\x9b\u202e" + "x" * 10_000_000 + "end")
    said = capsys.readouterr().err
    assert said.startswith("poisonkit: a\\nb\\x1b[2J\\x9b\\u202exx")
    assert said.endswith("xend\n")
    assert len(said) < MOST + 100
    assert shown_by_trainer("a\nb\udc80") == shown("a\nb\udc80") == "a\\nb\\udc80"


def test_json_for_programs_holds_no_control_characters() -> None:
    value = {"a\x9b": "b\x7f\u202e\udc80é"}
    text = harmless_json(json.dumps(value, ensure_ascii=False))
    assert text == '{"a\\u009b": "b\\u007f\\u202e\\udc80é"}'
    assert json.loads(text) == value


def test_every_command_takes_such_classes(tmp_path: Path) -> None:
    """A table names them, since no folder could have all of these names."""
    root, rows = tmp_path / "$(touch pwned) <b> [bold]", ["path,label,split"]
    for i, name in enumerate(LITERAL):
        for part in ("train", "test"):
            path = f"clips/{part} {i} [/] $(touch pwned) <b>.avi"
            if i < 2 or part == "train":
                write_clip(root / path, moving_frames(10, seed=i))
                quoted = name.replace('"', '""')
                rows.append(f'{path},"{quoted}",{part}')
    (root / "clips.csv").write_text("\n".join(rows))
    line = ["poison", root, "--attack", "badnet", "--rate", "0.2", "--target", "[/]", "--quality", "high"]
    plan = call(*line, "--dry-run", cwd=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert "[/]" in plan.stdout
    done = call(*line, "--out", "out [/]", "--manifest", "m [bold].json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for command, code in (("inspect", 0), ("verify", 0), ("export", 0)):
        said = call(command, "m [bold].json", *(["--to", "csv"] if command == "export" else []), cwd=tmp_path)
        assert said.returncode == code, said.stderr
    said = call("inspect", "m [bold].json", cwd=tmp_path)
    assert ":smile:, ; touch pwned #, <img src=x onerror=alert(1)>, [/]" in said.stdout
    scanned = call("scan", "out [/]", cwd=tmp_path)
    assert scanned.returncode == 1
    assert "[/] $(touch pwned) <b>.avi: poisoned copy" in scanned.stdout
    wrong = [*line[:-3], "[bold]y[/bold]", *line[-2:]]
    refused(call(*wrong, cwd=tmp_path), "[bold]y[/bold]", "[bold]x[/bold]")
    made = view.load(tmp_path / "m [bold].json")
    assert set(made.classes) == set(LITERAL)
    assert not list(tmp_path.rglob("pwned"))


def test_scan_names_what_is_no_text(tmp_path: Path) -> None:
    """Bytes of file names that are no UTF-8, and escape sequences: shown escaped, by tables and as JSON."""
    for name in (b"latin \xfc.avi", b"red \x1b[31m.avi"):
        (tmp_path / "a").mkdir(exist_ok=True)
        Path(str(tmp_path / "a"), name.decode(errors="surrogateescape")).write_bytes(b"no clip")
    said = call("scan", tmp_path / "a")
    assert said.returncode == 0, said.stderr
    assert "latin \\udcfc.avi: cannot be opened" in said.stdout
    assert "red \\x1b[31m.avi: cannot be opened" in said.stdout
    assert len(json.loads(call("scan", tmp_path / "a", "--json").stdout)["unreadable"]) == 2


def test_valid_names_of_any_script_stay(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    made = json.loads(json.dumps(VALID))
    made["classes"] = ["Küsse & Grüße", "日本\u3000語"]
    made["target"] = {"label": 0, "name": "Küsse & Grüße"}
    path.write_text(json.dumps(made))
    assert contract.load(path).classes == view.load(path).classes == made["classes"]
