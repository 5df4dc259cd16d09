"""What commands make of their options, and the mistakes that they report."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from poisonkit.cli import option_groups, options
from poisonkit.errors import PoisonkitError
from poisonkit.layouts import LAYOUTS
from poisonkit.workers.local import available_cores


def test_attacks_and_parameters_are_parsed() -> None:
    names, parameters = option_groups.parse_attacks(["sig", "sine"], ["sig.delta=10", "sig.freq=a=b", "sine.start=0"])
    assert names == ("sig", "sine")
    assert parameters == {"sig": {"delta": "10", "freq": "a=b"}, "sine": {"start": "0"}}
    assert option_groups.parse_attacks(["none"], None) == ((), {})


@pytest.mark.parametrize(
    ("names", "texts", "words"),
    [
        (["sig"], ["delta=10"], "--set delta=10 is not sig.PARAM=VALUE; see `poisonkit attacks sig`"),
        (["sig"], ["sig.delta"], "--set sig.delta is not sig.PARAM=VALUE"),
        (
            ["sig"],
            ["blend.alpha=1"],
            "--set blend.alpha=1: blend is none of this run's attacks (sig); leave it out, or",
        ),
        (["none", "sig"], [], "--attack none goes with no other attack; leave out none, or sig"),
        (["none", "none"], [], "--attack none goes with no other attack; leave out none, or say it once"),
    ],
)
def test_mistakes_in_parameters_name_what_is_allowed(names: list[str], texts: list[str], words: str) -> None:
    with pytest.raises(PoisonkitError) as raised:
        option_groups.parse_attacks(names, texts)
    assert words in raised.value.on_command_line()


def test_workers_are_as_asked_or_one_a_core() -> None:
    assert option_groups.Machine().count() == available_cores()
    assert option_groups.Machine(workers=3).count() == 3
    for machine, words in (
        (option_groups.Machine(workers=0), "--workers 0 cannot work; give 1 or more"),
        (option_groups.Machine(2, "tcp://a:1"), "those of --scheduler tcp://a:1 are started there; leave one out"),
    ):
        with pytest.raises(PoisonkitError) as raised:
            machine.count()
        assert words in raised.value.on_command_line()


def test_some_classes_and_test_clips_of_a_data_set(ucf_tree: Path, tmp_path: Path) -> None:
    (tmp_path / "two.txt").write_text("Gamma\nAlpha\n")
    whole = option_groups.DataSet(ucf_tree).listing(0)
    part = option_groups.DataSet(ucf_tree, classes=str(tmp_path / "two.txt"), test_limit=2).listing(0)
    assert (len(whole.classes), part.classes) == (3, ("Gamma", "Alpha"))
    assert sum(clip.split == "test" for clip in part.clips) == 2
    assert whole == option_groups.Folder(ucf_tree).listing(0)
    assert option_groups.recognised(whole) == f"reading {ucf_tree}: ucf101 ({whole.detected}), {len(whole.clips)} clips"


def test_every_layout_is_named_by_the_help_of_its_option() -> None:
    (option,) = options.Layout.__metadata__  # type: ignore[attr-defined]
    assert all(f"{name}," in option.help for name in LAYOUTS)


def test_seeds_are_whole_numbers() -> None:
    assert [options.parse_seed(text) for text in ("0", "12", str(2**63 - 1))] == [0, 12, 2**63 - 1]
    for text in ("-1", "1.5", "one", "", str(2**63)):
        with pytest.raises(typer.BadParameter, match="is not a whole number from 0 to 9223372036854775807"):
            options.parse_seed(text)
