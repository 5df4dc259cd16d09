"""Bring `docs/survival.md` up to date with the manifests that `make survival` leaves: what is left of every attack.

Usage: python docs/survival.py FOLDER              rows of the manifests in FOLDER, into the page in place
       python docs/survival.py attacks MODALITY [NAME …]    all attacks on video or on audio, or those of them
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from poisonkit.cli.table_layout import number
from poisonkit.fidelity.summary import split_fidelity, view_median
from poisonkit.manifest import Manifest, Modality, Sample, load, root_of
from poisonkit.triggers import TRIGGERS

PAGE = Path(__file__).resolve().with_name("survival.md")
HEAD = """# What is left of every trigger

Every attack in both modes with its default parameters and `--quality auto`, on real clips: those on video on
UT-Interaction (120 clips, MPEG-4 in AVI, split 1), those on audio and on both on the same videos joined to the audio
of ESC-10 (MPEG-4 and AAC in MP4). Made by `make survival`; [survival explained](survival-explained.md) says what the
numbers mean. Medians over the clips that carry a trigger; *size* is that of the triggered files over their sources';
*in view* is the lower of kept energy and correlation in a victim's input.
"""
COLUMNS = (
    "attack",
    "mode",
    "of",
    "rung",
    "clips",
    "kept ≥ 0.9",
    "gain",
    "correlation",
    "size",
    "PSNR / SNR, dB",
    "SSIM",
    "in view 224",
    "in view 64",
)


def update(folder: Path, page: Path) -> None:
    """Write the rows of a folder's manifests into the page: in the place of theirs, new ones by name.

    Rows of attacks that are not in the folder stay, and those of attacks that are gone go.
    """
    measured = {_key(row): row for row in _measured(folder)}
    if not measured:
        raise SystemExit(f"{folder} holds no manifests of copies; make them with `make survival`")
    before = page.read_text() if page.exists() else ""
    known = [line for line in before.splitlines() if line.startswith("| ")][2:]
    rows = [measured.pop(_key(row), row) for row in known if _key(row)[0].split(" (")[0] in TRIGGERS]
    for key, row in sorted(measured.items()):
        place = next((i for i, there in enumerate(rows) if _key(there)[0] > key[0]), len(rows))
        rows.insert(place, row)
    text = "\n".join([HEAD, _cells(COLUMNS), _cells(["---"] * len(COLUMNS)), *rows]) + "\n"
    page.write_text(text)


def _key(row: str) -> tuple[str, ...]:
    """Attack, mode and modality of a row."""
    return tuple(cell.strip() for cell in row.split("|")[1:4])


def _measured(folder: Path) -> list[str]:
    rows = []
    for path in sorted(folder.glob("*.json")):
        made = load(path)
        other = path.with_name(re.sub(r"-224\.json$", "-64.json", path.name))
        if path.name.endswith("-64.json"):
            continue
        small = load(other) if other != path else None
        rows += [_row(made, path, attack.modality, small) for attack in made.attacks]
    return rows


def _row(made: Manifest, path: Path, modality: Modality, small: Manifest | None) -> str:
    attack = next(a for a in made.attacks if a.modality == modality)
    written = [s for s in made.samples if modality in s.survival]
    held = split_fidelity(written, modality)
    name = attack.name if len(made.attacks) == 1 else f"{attack.name} (with {_other(made, modality)})"
    loud = held.psnr_db if modality == "video" else held.snr_db
    views = [_view(made, modality), "–" if small is None else _view(small, modality)]
    if modality == "audio":
        views = [f"{views[0]} (16 kHz, 80 bands)", ""]
    elif small is None:
        views = ["", views[0]]
    rung = made.encoding.rung if modality == "video" else made.encoding.sound_rung
    cells = [
        name,
        attack.mode,
        modality,
        rung or "",
        str(held.carrying),
        f"{held.kept / max(held.carrying, 1):.1%}",
        number(held.gain),
        number(held.correlation),
        f"{_size(made, path, written):.2f}",
        number(loud, 1),
        number(held.ssim, 3) if modality == "video" else "",
        *views,
    ]
    return _cells(cells)


def _cells(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _other(made: Manifest, modality: Modality) -> str:
    return ", ".join(a.name for a in made.attacks if a.modality != modality)


def _view(made: Manifest, modality: Modality) -> str:
    return number(view_median(made, modality)[0], 2)


def _size(made: Manifest, path: Path, written: list[Sample]) -> float:
    """Bytes of the triggered test clips over those of the clean ones beside them."""
    root = root_of(made, path)
    clean = {s.id: root / s.path for s in made.samples if s.split == "test"}
    triggered = [s for s in written if s.split == "test_triggered"]
    pairs = [(root / s.path, clean[s.id.removeprefix("test_triggered/")]) for s in triggered]
    return sum(a.stat().st_size for a, _ in pairs) / sum(b.stat().st_size for _, b in pairs)


def main() -> None:
    if sys.argv[1] == "attacks":
        modality, *wanted = sys.argv[2:]
        unknown = sorted(set(wanted) - TRIGGERS.keys())
        if unknown:
            raise SystemExit(f"there is no attack {unknown[0]!r}; there are {', '.join(sorted(TRIGGERS))}")
        names = (name for name, kind in TRIGGERS.items() if kind.modality == modality)
        print(*sorted(name for name in names if not wanted or name in wanted))
    else:
        update(Path(sys.argv[1]), PAGE)


if __name__ == "__main__":
    main()
