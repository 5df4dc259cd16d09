"""Print the tables of `docs/fusion.md` from the folders that `make fusion` leaves, in Markdown.

Usage: python docs/fusion.py FOLDER...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from trainer import compare, runs
from trainer.metrics import Share
from trainer.runs import Metrics

VIDEO, AUDIO, MODES = ("clean", "badnet", "sig"), ("clean", "sine", "band-noise"), ("late", "early")
HEADINGS = (
    "pictures",
    "sound",
    "CDA",
    "ASR",
    "pictures alone",
    "sound alone",
    "false target",
    "sham ASR",
    "CDA less the clean pair's, paired",
)


def main(folders: Sequence[Path]) -> None:
    """Print a table for each folder and mode, seeds pooled."""
    for folder in folders:
        singles(folder)
        for mode in MODES:
            grids = sorted(path for path in folder.glob(f"{mode}-*") if path.is_dir())
            print(f"\n### {folder.name}, {mode}, {len(grids)} seeds\n")
            print(row(HEADINGS))
            print(row(["---"] * len(HEADINGS)))
            for video in VIDEO:
                for audio in AUDIO:
                    print(row(cells(grids, mode, video, audio)))


def singles(folder: Path) -> None:
    """The networks on their own."""
    print(f"\n### {folder.name}, each network on its own\n")
    headings = ("network", "attack", "CDA", "ASR", "false target", "sham ASR")
    print(row(headings))
    print(row(["---"] * len(headings)))
    for model, cases in (("i3d", VIDEO), ("audio", AUDIO)):
        for case in cases:
            made = [path.parent for path in sorted(folder.glob(f"runs/{case}-{model}-*/metrics.json"))]
            figures = compare.pool(made).figures
            shares = (figures.cda, figures.asr, figures.false_target, figures.sham_asr)
            print(row([model, case, *map(share, shares)]))


def cells(grids: Sequence[Path], mode: str, video: str, audio: str) -> list[str]:
    """One pair's row, over all seeds."""
    pairs, clean = [], []
    for grid in grids:
        seed = grid.name.rsplit("-", 1)[1]
        pairs.append(grid / f"{video}-i3d-{seed}+{audio}-audio-{seed}-{mode}")
        clean.append(grid / f"clean-i3d-{seed}+clean-audio-{seed}-{mode}")
    figures = compare.pool(pairs).figures
    made = [runs.read_metrics(pair) for pair in pairs]
    both = video != "clean" and audio != "clean"
    alone = [mean(made, name) if both else "" for name in ("asr_video", "asr_audio")]
    shares = [share(s) for s in (figures.cda, figures.asr)]
    floors = [share(s) for s in (figures.false_target, figures.sham_asr)]
    difference = ""
    if (video, audio) != ("clean", "clean"):
        d = compare.compare(pairs, clean).cda_difference
        difference = f"{signed(d.value)} ({signed(d.low)} … {signed(d.high)})"
    return [video, audio, *shares, *alone, *floors, difference]


def mean(made: Sequence[Metrics], name: str) -> str:
    """The mean over seeds of an ASR with one modality triggered; their numbers of clips are equal."""
    found = [getattr(metrics.fusion, name) for metrics in made if metrics.fusion is not None]
    values = [s.value for s in found if s is not None]
    return f"{sum(values) / len(values):.3f}" if values else ""


def share(value: Share | None) -> str:
    """A share with its interval and count."""
    return "–" if value is None else f"{value.value:.3f} ({value.low:.3f} … {value.high:.3f}, n {value.n})"


def signed(value: float) -> str:
    """With its sign, a real minus."""
    return f"{value:+.3f}".replace("-", "−")


def row(values: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
