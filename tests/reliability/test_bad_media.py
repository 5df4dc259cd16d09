"""More than 300 damaged and odd files (half of them unless there is time): written whole, or refused in a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from poisonkit.errors import BrokenClip
from poisonkit.files import is_audio
from poisonkit.media.video import examine
from tests.conftest import shared
from tests.reliability import bad_media

# of these nothing can be written
HOPELESS = ("nothing in it", "text")


Corpus = tuple[Path, dict[str, list[str]]]


@pytest.fixture(scope="module", params=["half", pytest.param("all", marks=pytest.mark.long)])
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """The folder, and the files' names by what is odd about them."""

    def make(folder: Path) -> None:
        counts = () if request.param == "all" else (6, 6)
        (folder / "kinds.json").write_text(json.dumps(bad_media.make(folder / "source", *counts)))

    folder = shared(tmp_path_factory, f"damaged-{request.param}", make)
    kinds = json.loads((folder / "kinds.json").read_text())
    assert sum(map(len, kinds.values())) >= (300 if request.param == "all" else 150)
    return folder / "source", kinds


@pytest.mark.parametrize("attack", ["badnet", "sine"])
def test_every_file_is_written_or_refused(corpus: Corpus, tmp_path: Path, attack: str) -> None:
    folder, kinds = corpus
    names = [name for some in kinds.values() for name in some]
    before = {name: (folder / name).read_bytes() for name in names}
    chosen = [name for name in names if attack == "sine" or not is_audio(name)]
    found = bad_media.outcomes(folder, tmp_path / "out", chosen, attack)
    assert set(found) == set(chosen)
    for name, outcome in found.items():
        assert (tmp_path / "out" / name).exists() == (outcome == "written"), name
        if outcome != "written":
            assert "\n" not in outcome
            assert name in outcome
            assert "; " in outcome
    assert list((tmp_path / "out" / ".poisonkit" / "partial").iterdir()) == []
    assert {name: (folder / name).read_bytes() for name in names} == before
    for kind, written, _ in bad_media.counts(kinds, found):
        assert written == 0 or kind not in HOPELESS
    refused = {name for name in kinds[bad_media.FORMS] if found.get(name, "written") != "written"}
    if attack == "badnet":  # no video, and video that only a player turns
        assert refused == {"only sound.mp4", "turned.mp4"}
    else:
        assert {name for name in refused if "holds no audio" not in found[name]} == {"only sound.mp4"}


def test_the_trainer_reads_or_refuses_every_file(corpus: Corpus) -> None:
    """Whatever poisonkit takes, in the same number of frames; of the rest no file ends otherwise than in a sentence."""
    folder, kinds = corpus
    names = [name for some in kinds.values() for name in some]
    found = bad_media.readings(folder, names)
    for outcomes in found.values():
        assert len(outcomes) == len(names)
        for name, outcome in outcomes.items():
            assert outcome == "read" or ("\n" not in outcome and "; " in outcome and name in outcome), outcome
        assert not any(outcomes[name] == "read" for kind in HOPELESS for name in kinds[kind])
    for name in names:
        try:
            examine(folder / name)
        except BrokenClip:
            continue
        assert found["pictures"][name] == "read", name
