"""What a defense found: the same record whatever the defense, so that pages and tables need not know which it was.

Kept in `RUN/defenses/<defense>/`: `outcome.json`, `scores.csv` where clips were scored, and `plot.svg`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import msgspec

from trainer import files
from trainer.errors import RunError
from trainer.proportion import Proportion
from trainer.runs import folder as runs
from trainer.runs.folder import ManifestStamp


class Auroc(msgspec.Struct, frozen=True):
    """The probability that a poisoned clip scores higher than a clean one, with its 95 % interval.

    Of a clip and another of the same label where labels would give it away. `positives` and `negatives`: clips.
    """

    value: float
    positives: int
    negatives: int
    low: float
    high: float


class Point(msgspec.Struct, frozen=True):
    """The victim under a defense of some strength."""

    strength: float
    cda: Proportion | None
    asr: Proportion | None
    ra: Proportion | None = None


class Score(msgspec.Struct, frozen=True):
    """One clip: the higher the score, the more suspicious; `flagged`: what the defense would do about it.

    `poisoned` is the truth, which the defense never saw.
    """

    id: str
    split: str
    label: int
    score: float
    flagged: bool
    poisoned: bool


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one defense on one run.

    `parameters`: as they were set. `rule`: in a sentence, how clips are judged or what is repaired, with layer,
    dimensions and threshold. `clean_clips`: the size of the defender's clean set, which is left out of the figures.
    `figures`: rates by name, such as elimination and sacrifice rate, in the order in which they are shown. `auroc`:
    where clips have scores. `curve`: CDA and ASR over `strength` (what that is, with its unit), the first point the
    undefended victim, for defenses that repair.
    """

    defense: str
    run: str
    manifest: ManifestStamp
    model: str
    parameters: dict[str, float | int | str | bool | None]
    rule: str
    clean_clips: int
    figures: dict[str, Proportion | None]
    auroc: Auroc | None = None
    strength: str | None = None
    curve: list[Point] = []
    seconds: float
    versions: dict[str, str]


def write(folder: Path, outcome: Outcome, scores: Sequence[Score]) -> None:
    """Keep an outcome in its folder, `outcome.json` last."""
    folder.mkdir(parents=True, exist_ok=True)
    if scores:
        table = io.StringIO(newline="")
        # names are quoted, since a bare carriage return in one would end its row
        rows = csv.writer(table, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow(Score.__struct_fields__)
        for s in scores:
            rows.writerow([s.id, s.split, s.label, float(f"{s.score:.9g}"), int(s.flagged), int(s.poisoned)])
        files.write(folder / "scores.csv", table.getvalue().encode())
    files.write_json(folder / "outcome.json", outcome)


def of_run(folder: Path) -> list[tuple[Path, Outcome]]:
    """The outcomes in a run's folder, each with its own folder, by name; raises `RunError` for a damaged one.

    What lies beside an outcome is found by that folder, never by a name that the file holds.
    """
    paths = sorted(folder.glob("defenses/*/outcome.json"))
    return [(path.parent, runs.read(path, Outcome, "run the defense again")) for path in paths]


def scores(folder: Path) -> list[Score]:
    """The scored clips of a defense's folder, none where it scored none; raises `RunError` for a damaged file."""
    path = folder / "scores.csv"
    if not path.exists():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(file)
            next(rows)
            return [Score(r[0], r[1], int(r[2]), float(r[3]), r[4] == "1", r[5] == "1") for r in rows]
    except (ValueError, IndexError, StopIteration) as error:
        raise RunError(f"{path} is damaged ({error})", "run the defense again") from None
