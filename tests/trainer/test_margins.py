"""Every case of learning that a test asserts holds with a margin, whatever the seed and the number of threads."""

from __future__ import annotations

import pytest

from tests.trainer import learning

LEAST = {"bars": 0.2, "tones": 0.4, "one step": 0.08, "bf16": 0.5}
"""Half of the least margin that was measured, or less; the tests of each case name what was measured."""


@pytest.mark.long
@pytest.mark.parametrize("threads", learning.THREADS)
@pytest.mark.parametrize("case", learning.CASES)
def test_the_verdict_does_not_hang_on_the_seed(case: str, threads: int) -> None:
    assert min(learning.margins(case, threads)) > LEAST[case]


def test_every_case_has_its_margin() -> None:
    assert learning.CASES.keys() == LEAST.keys()
