"""More than 300 damaged and odd files: each is written whole, or refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit.errors import BrokenClip
from poisonkit.files import is_audio
from poisonkit.media.video import examine
from tests.reliability import bad_media

# of these nothing can be written
HOPELESS = ("nothing in it", "text")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, list[str]]]:
    folder = tmp_path_factory.mktemp("corpus") / "source"
    return folder, bad_media.make(folder)


@pytest.mark.parametrize("attack", ["badnet", "sine"])
def test_every_file_is_written_or_refused(
    corpus: tuple[Path, dict[str, list[str]]], tmp_path: Path, attack: str
) -> None:
    folder, kinds = corpus
    names = [name for some in kinds.values() for name in some]
    assert len(names) >= 300
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


def test_the_trainer_reads_or_refuses_every_file(corpus: tuple[Path, dict[str, list[str]]]) -> None:
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
