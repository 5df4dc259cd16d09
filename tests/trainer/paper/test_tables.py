"""The paper's tables: which runs stand in which, what is pooled, and what is compared with the paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from trainer import files
from trainer.cli import app
from trainer.errors import RunError
from trainer.paper import audiovisual, found, tables, theirs
from trainer.paper.sheet import Sheet
from trainer.proportion import wilson
from trainer.runs import folder as runs

from .conftest import Make, outcome


def cells(sheet: Sheet, attack: str) -> dict[str, str]:
    """One row by its attack."""
    (row,) = [row for row in sheet.rows if row[1] == attack]
    return dict(zip(sheet.headings, row, strict=True))


def test_a_static_run_stands_in_table_1_and_a_dynamic_one_in_table_2(make: Make, tmp_path: Path) -> None:
    make("a")
    make("b", "badnet", "static")
    make("c", "badnet", "dynamic")
    for number, mode in ((1, "static"), (2, "dynamic")):
        sheet, _ = tables.table(number, tmp_path / "runs", "ucf101")
        assert [row[1] for row in sheet.rows] == ["clean", f"badnet {mode}"]


def test_other_rates_frames_and_controls_are_kept_out(make: Make, tmp_path: Path) -> None:
    make("clean")
    make("plain", "badnet", "dynamic", hits=10)
    make("rate", "badnet", "dynamic", hits=1, rate=0.05)
    make("frames", "badnet", "dynamic", hits=2, frames="8")
    make("other", "badnet", "dynamic", hits=3, target=2)
    make("none", "none", hits=0)
    sheet, _ = tables.table(2, tmp_path / "runs", "ucf101")
    assert cells(sheet, "badnet dynamic")["ASR"].startswith("100.0 (")
    controls, rows = tables.controls(tmp_path / "runs")
    named = [tuple(row[1:5]) for row in controls.rows]
    assert named == [
        ("none", "0.1", "0", "all"),
        ("badnet dynamic", "0.05", "0", "all"),
        ("badnet dynamic", "0.1", "0", "all"),
        ("badnet dynamic", "0.1", "2", "all"),
        ("badnet dynamic", "0.1", "0", "8"),
    ]
    assert len(rows) == 5


def test_seeds_are_pooled_and_paired_with_the_clean_victim_of_their_seed(
    make: Make, score: Make, tmp_path: Path
) -> None:
    for seed, right in ((0, 10), (1, 6)):
        clean = make(f"clean-{seed}", right=right, seed=seed)
        attacked = make(f"sig-{seed}", "sig", "dynamic", right=right - 1, hits=10 - seed, seed=seed, shams=1)
        score(clean, attacked, hits=2 * seed)
    sheet, (clean_row, row) = tables.table(2, tmp_path / "runs", "ucf101")
    shown = cells(sheet, "sig dynamic")
    assert shown["CDA − clean, paired"].startswith("−10.0 (")
    assert shown["ASR"].startswith("95.0 (")
    assert shown["ASR, clean victim"].startswith("10.0 (")
    assert shown["sham ASR"].startswith("20.0 (")
    assert isinstance(row, found.Row)
    assert row.seeds == [0, 1]
    assert "seeds 0, 1 pooled;" in sheet.notes[0]
    assert row.figures.asr is not None
    assert row.figures.asr.n == 20
    assert isinstance(clean_row, found.Row)
    assert clean_row.cda_difference is None


def test_differences_compare_like_with_like(make: Make, tmp_path: Path) -> None:
    make("clean", right=10)
    make("badnet", "badnet", "static", right=9, hits=10)
    sheet, _ = tables.table(1, tmp_path / "runs", "hmdb51")
    shown = cells(sheet, "badnet static")
    assert (shown["paper: CDA"], shown["paper: ASR"]) == ("69.35", "98.89")
    # ours lost 10 points, theirs 69.59 − 69.35
    assert "; seed 0;" in sheet.notes[0]
    assert shown["CDA change − paper's"] == "−9.8"
    assert shown["ASR (all) − paper's"] == "+1.1"


def test_a_trigger_out_of_view_is_said_to_tell_nothing(make: Make, tmp_path: Path) -> None:
    make("clean")
    make("ftrojan", "ftrojan", "static", kept=0.17)
    sheet, _ = tables.table(1, tmp_path / "runs", "ucf101")
    assert cells(sheet, "ftrojan static")["in view"] == "0.17"
    assert any("inconclusive: ftrojan static" in note for note in sheet.notes)


def test_table_4_has_a_row_for_each_architecture(make: Make, tmp_path: Path) -> None:
    for model in ("slowfast", "tsm"):
        make(f"{model}-clean", model=model)
        make(f"{model}-sig", "sig", "dynamic", model=model)
    sheet, _ = tables.table(4, tmp_path / "runs", "hmdb51")
    assert [tuple(row[:2]) for row in sheet.rows] == [
        ("slowfast", "clean"),
        ("slowfast", "sig dynamic"),
        ("tsm", "clean"),
        ("tsm", "sig dynamic"),
    ]
    assert [row[13] for row in sheet.rows] == ["–", "99.97", "–", "99.47"]


def test_table_7_takes_fused_models(make: Make, fuse: Make, score: Make, tmp_path: Path) -> None:
    clean, badnet = make("v-clean"), make("v-badnet", "badnet", "dynamic")
    silent, sine = make("a-clean", model="audio"), make("a-sine", "sine", model="audio")
    baseline = fuse("late", clean, silent)
    attacked = fuse("late", clean, sine, right=9, hits=7)
    score(baseline, attacked, hits=2)
    fuse("early", badnet, sine, hits=10)
    sheet, rows = tables.table(7, tmp_path / "runs", "ucf101")
    assert [tuple(row[:3]) for row in sheet.rows] == [
        ("late", "clean", "clean"),
        ("late", "clean", "sine"),
        ("early", "badnet", "sine"),
    ]
    assert [row[4].split(" ")[0] for row in sheet.rows] == ["–", "−10.0", "–"]  # no clean pair in early fusion
    assert sheet.rows[1][5].startswith("70.0 (")
    floors = [dict(zip(sheet.headings, row, strict=True))["ASR, clean pair"] for row in sheet.rows]
    assert floors == ["–", "20.0", "–"]
    assert [row[12] for row in sheet.rows] == ["–", "70.98", "99.87"]
    assert isinstance(rows[1], audiovisual.FusedRow)


def test_table_5_shows_the_attack_that_is_to_be_found(make: Make, score: Make, tmp_path: Path) -> None:
    clean, badnet = make("clean"), make("badnet", "badnet", "dynamic", right=9, hits=8, shams=1)
    score(clean, badnet, hits=1)
    outcome(badnet, "activation-clustering", figures={"elimination": wilson(3, 4), "sacrifice": wilson(1, 9)})
    sheet, _ = tables.table(5, tmp_path / "runs", "ucf101")
    row = dict(zip(sheet.headings, sheet.rows[0], strict=True))
    assert row["ASR"].startswith("80.0 (")
    assert (row["sham ASR"], row["ASR, clean victim"]) == ("20.0", "10.0")
    assert row["CDA − clean, paired"].startswith("−10.0 (")
    assert row["paper: eliminated"] == "33.77"


def test_a_folder_without_runs_for_a_table_is_refused(make: Make, tmp_path: Path) -> None:
    make("clean")
    with pytest.raises(RunError, match="no run for table 2"):
        tables.table(2, tmp_path / "runs", "ucf101")
    with pytest.raises(RunError, match="holds no finished run"):
        tables.table(2, tmp_path / "elsewhere", "ucf101")


def test_the_paper_numbers_are_those_that_it_prints() -> None:
    assert theirs.cell(1, "blend", "hmdb51") == theirs.Theirs(68.37, 86.73)
    assert theirs.cell(2, "ftrojan", "kinetics-sounds") == theirs.Theirs(82.25, 95.27)
    assert theirs.cell(3, "frame-lag", "ucf101") == theirs.Theirs(92.94, 97.20)
    assert theirs.cell(4, "baseline", "slowfast") == theirs.Theirs(96.72, None)
    assert theirs.cell(6, "band-noise", "") == theirs.Theirs(47.61, 95.96)
    assert theirs.fused("late", "frame-lag", "clean") == theirs.Theirs(79.08, 63.41)


def test_files_hold_all_columns_and_escape_what_stands_in_them(tmp_path: Path) -> None:
    sheet = Sheet("a <b>", ["attack", "x|y"], [["<i>", "1|2"]], ["note & more"], brief=(0,))
    sheet.write(tmp_path / "t.md")
    sheet.write(tmp_path / "t.html")
    assert "| <i> | 1\\|2 |" in (tmp_path / "t.md").read_text()
    page = (tmp_path / "t.html").read_text()
    assert "<title>a &lt;b&gt;</title>" in page
    assert "&lt;i&gt;" in page
    assert "note &amp; more" in page
    with pytest.raises(RunError, match=r"ends in \.md or \.html"):
        sheet.write(tmp_path / "t.txt")


def test_the_command_prints_the_main_columns_and_json(make: Make, tmp_path: Path) -> None:
    make("clean")
    make("badnet", "badnet", "static", hits=9)
    folder = str(tmp_path / "runs")
    shown = CliRunner().invoke(app, ["table", "1", "--runs", folder])
    assert shown.exit_code == 0
    assert max(map(len, shown.stdout.splitlines())) <= 80
    assert "90.0" in shown.stdout
    listed = CliRunner().invoke(app, ["table", "1", "--runs", folder, "--json"])
    assert '"asr_clean_model": null' in listed.stdout
    refused = CliRunner().invoke(app, ["table", "8", "--runs", folder])
    assert "there is no table '8'" in str(refused.exception)


def test_runs_of_other_victims_or_of_one_draw_are_not_pooled(make: Make, tmp_path: Path) -> None:
    make("clean")
    make("ucf", "sig", "dynamic", hits=10)
    make("hmdb", "sig", "dynamic", hits=0)
    with pytest.raises(RunError, match=r"hmdb and .*ucf are one case with one seed and split"):
        tables.table(2, tmp_path / "runs", "ucf101")
    metrics = runs.read_metrics(tmp_path / "runs" / "hmdb")
    files.write_json(tmp_path / "runs" / "hmdb" / "metrics.json", replace(metrics, preset="paper", seed=1))
    with pytest.raises(RunError, match="of other victims, data sets or trigger parameters"):
        tables.table(2, tmp_path / "runs", "ucf101")


def test_a_manifest_that_changed_since_is_noticed(make: Make, tmp_path: Path) -> None:
    make("clean")
    make("badnet", "badnet", "static")
    path = tmp_path / "manifests" / "badnet.json"
    path.write_text(path.read_text().replace("0.1", "0.2"))
    with pytest.raises(RunError, match="has changed since"):
        tables.table(1, tmp_path / "runs", "ucf101")


def test_the_clean_victim_is_asked_in_the_same_views(make: Make, score: Make, tmp_path: Path) -> None:
    clean, attacked = make("clean"), make("sig", "sig", "dynamic")
    folder = score(clean, attacked, hits=3)
    other = folder.with_name("a-other-views")
    folder.rename(other)
    files.write_json(other / "metrics.json", replace(runs.read_metrics(other), views="3x3@32"))
    _, rows = tables.table(2, tmp_path / "runs", "ucf101")
    assert isinstance(rows[1], found.Row)
    assert rows[1].asr_clean_model is None


def test_in_a_terminal_intervals_stand_below_and_floors_are_shown(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    make("clean")
    make("badnet", "badnet", right=9, hits=8, shams=1)
    sheet, _ = tables.table(1, tmp_path / "runs", "ucf101")
    sheet.show()
    shown = capsys.readouterr().out
    assert "\\n" not in shown
    assert "80.0" in shown
    assert "49…94" in shown
    assert all(word in shown for word in ("false", "sham", "badnet", "clean"))
    assert "not shown here: victim, ASR (all), RA, in file, in view, paper: CDA" in " ".join(shown.split())
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_a_run_without_its_manifest_is_left_out_and_said_to_be(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make("clean")
    make("sig", "sig", "dynamic")
    make("badnet", "badnet", "dynamic")
    manifest = tmp_path / "manifests" / "badnet.json"
    manifest.unlink()
    sheet, _ = tables.table(2, tmp_path / "runs", "ucf101")
    assert [row[1] for row in sheet.rows] == ["clean", "sig dynamic"]
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"note: 1 run left out, without manifest: {tmp_path / 'runs' / 'badnet'} lacks {manifest}; ")
    assert "put the manifest back there" in said
    manifest.write_text('{"samples": []}')  # a changed one is not a missing one
    with pytest.raises(RunError, match="has changed since a run was made from it"):
        tables.table(2, tmp_path / "runs", "ucf101")


def test_runs_none_of_which_has_its_manifest_are_an_error(make: Make, tmp_path: Path) -> None:
    for seed in range(5):
        make(f"clean-{seed}", seed=seed)
        (tmp_path / "manifests" / f"clean-{seed}.json").unlink()
    with pytest.raises(RunError, match=r"holds no run with its manifest: .*\(5 in all\); put the manifest back there"):
        tables.table(1, tmp_path / "runs", "ucf101")


def test_a_fused_model_without_a_parts_manifest_is_left_out_and_said_to_be(
    make: Make, fuse: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clean, badnet, silent = make("v-clean"), make("v-badnet", "badnet", "dynamic"), make("a-clean", model="audio")
    fuse("late", clean, silent)
    lost = fuse("late", badnet, silent)
    (tmp_path / "manifests" / "v-badnet.json").unlink()
    sheet, _ = audiovisual.table(tmp_path / "runs")
    assert [row[:3] for row in sheet.rows] == [["late", "clean", "clean"]]
    assert f"note: 1 run left out, without manifest: {lost} lacks " in capsys.readouterr().err
