"""What the tables of fidelity lay out of the figures."""

from __future__ import annotations

from rich.console import Console

from poisonkit.cli import fidelity_tables
from poisonkit.fidelity.visibility import Seen, Sight
from tests.poisonkit.fidelity.test_summary import CLIPS, clip, manifest


def text(renderable: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def rows(shown: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}


def test_a_split_is_a_row_of_counts_medians_and_worst_values() -> None:
    shown = text(fidelity_tables.fidelity(manifest(*CLIPS, clip("sham", "test_sham", linf=2, psnr_db=44.04))))
    assert shown.startswith("Written video (medians)")
    assert "in view 256/224" in shown
    assert "frames' gain" not in shown  # of dynamic triggers alone
    found = rows(shown)
    gains = ["0.950", "0.800", "0.960", "0.900"]
    assert found["test_triggered"] == ["4", "3", *gains, "2/3", "0.70", "30.0", "0.9800", "90"]
    assert found["test_sham"] == ["1", "0", *4 * ["–"], "–", "–", "44.0", "–", "2"]


def test_the_worst_clips_are_listed_and_those_without_a_trigger_counted() -> None:
    shown = text(fidelity_tables.fidelity(manifest(*CLIPS)))
    assert "1 clips carry no trigger (an RMS below 1, in grey levels), such as still" in shown
    assert "Where the trigger is kept least (1 of 3 clips below 0.9)" in " ".join(shown.split())  # a title is folded
    assert [line.split()[0] for line in shown.splitlines() if line.endswith("20.0")] == ["b", "a", "c"]


def test_audio_has_its_own_columns_and_dynamic_triggers_one_more() -> None:
    heard = clip("d", of="audio", gain=1.0, correlation=1.0, snr_db=20.04, lsd_db=1.26)
    moving = clip("e", gain=1.0, correlation=1.0, gain_p10=0.91)
    shown = text(fidelity_tables.fidelity(manifest(heard, moving)))
    video, audio = shown.split("Written audio (medians)")
    assert "frames' gain, p10" in video
    assert "0.910" in video
    assert "SNR dB" in audio
    assert rows(audio)["test_triggered"][-2:] == ["20.0", "1.3"]


def test_a_manifest_of_unchanged_files_has_no_table() -> None:
    assert fidelity_tables.fidelity(manifest(clip("a", "train"))) is None


def test_views_are_shown_as_rates() -> None:
    shown = text(fidelity_tables.sights("2x1@64", [Sight("train", 2, Seen(1, 1, 2), Seen(3, 0, 1), ("a",))]))
    found = rows(shown)
    assert found["train"] == ["2", "4", "25.0%", "25.0%", "50.0%", "1"]
    assert found["training"] == ["crops", "2", "4", "75.0%", "0.0%", "25.0%"]
    assert "never seen fully: a" in shown
    assert "no clip carries a trigger" in text(fidelity_tables.sights("2x1@64", []))
