"""Arguments that messages name, as the command line and as Python word them."""

from __future__ import annotations

import pytest

from trainer.errors import TrainerError
from trainer.text import argument, as_arguments, as_options


@pytest.mark.parametrize(
    ("given", "option", "python"),
    [
        (("skip_broken",), "--skip-broken", "skip_broken"),
        (("skip_broken", True), "--skip-broken", "skip_broken=True"),
        (("survival", False), "--no-survival", "survival=False"),
        (("rate", 0.1), "--rate 0.1", "rate=0.1"),
        (("workers", 0), "--workers 0", "workers=0"),
        (("rate", 1.0), "--rate 1.0", "rate=1.0"),
        (("quality", "auto"), "--quality auto", "quality='auto'"),
        (("out", "my clips"), "--out 'my clips'", "out='my clips'"),
        (("target", ""), "--target ''", "target=''"),
    ],
)
def test_an_argument_is_worded_by_who_shows_it(given: tuple[str, ...], option: str, python: str) -> None:
    text = f"{argument(*given)} is wrong"
    assert as_options(text) == f"{option} is wrong"
    assert as_arguments(text) == f"{python} is wrong"


def test_an_error_in_both_words() -> None:
    error = TrainerError(f"{argument('rate', 0)} is not a rate", f"give {argument('rate', 0.1)}")
    assert str(error) == "rate=0 is not a rate; give rate=0.1"
    assert error.on_command_line() == "--rate 0 is not a rate; give --rate 0.1"
