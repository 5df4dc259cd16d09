"""Print the tables of `docs/victims.md` in Markdown, from what `make ut`, `make esc` and `make fusion` leave.

Usage: python docs/victims.py ut FOLDER | esc FOLDER | fusion FOLDER...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from trainer.evaluation import compare
from trainer.proportion import Proportion
from trainer.runs import folder as runs
from trainer.runs.folder import Metrics

VIDEO, AUDIO, MODES = ("clean", "badnet", "sig"), ("clean", "sine", "band-noise"), ("late", "early")
PLACES = ("sine", "sine-5000", "sine-6500", "sine-7100", "band-noise", "band-noise-6800-7200", "band-noise-7000-7200")
"""Attacks on ESC-10 and, in hertz, where they lie if not where they do by default."""
FIGURES = ("victim", "attack", "CDA", "ASR", "RA", "false target", "sham ASR", "CDA less the clean victim's, paired")
HEADINGS = (
    "video",
    "audio",
    "CDA",
    "ASR",
    "video alone",
    "audio alone",
    "false target",
    "sham ASR",
    "CDA less the clean pair's, paired",
)


def ut(folder: Path) -> None:
    """Every video victim on three splits, pooled."""
    print(row(FIGURES))
    print(row(["---"] * len(FIGURES)))
    for model in ("i3d", "slowfast", "tsm"):
        for case in ("clean", "badnet", "sig", "frame-lag", "badnet-dynamic", "sig-dynamic", "frame-lag-dynamic"):
            made = [path.parent for path in sorted(folder.glob(f"runs/{model}-{case}-[123]/metrics.json"))]
            clean = [path.with_name(path.name.replace(f"{model}-{case}-", f"{model}-clean-")) for path in made]
            if len(made) == 3:
                print(row([model, case, *figures(made, clean if case != "clean" else [])]))
    print("\nCDA of the clean victims and ASR, split by split:\n")
    for path in sorted(folder.glob("runs/*-[123]/metrics.json")):
        metrics = runs.read_metrics(path.parent)
        print(f"- {path.parent.name}: CDA {rate(metrics.cda)}, ASR {rate(metrics.asr)}")


def esc(folder: Path) -> None:
    """The audio victim on five folds, pooled, and its ASR at other levels; what is not complete is left out."""
    print(row(FIGURES))
    print(row(["---"] * len(FIGURES)))
    clean = folds(folder, "clean")
    for case in ("clean", *PLACES, "ultrasonic"):
        made = folds(folder, case)
        if finished(made):
            print(row(["audio", case, *figures(made, clean if case != "clean" else [])]))
    print("\nASR of the same victims over the trigger's level, on the folds that were scored:\n")
    print(row(["attack", "0 dB", "10 dB", "20 dB", "30 dB"]))
    print(row(["---"] * 5))
    for case in PLACES:
        made = folds(folder, case)
        at = {k: [run / "evaluations" / f"{case}-{k}-{run.name[-1]}-1x1@80" for run in made] for k in (0, 10, 30)}
        whole = [k for k in range(len(made)) if finished([made[k], *(at[level][k] for level in at)])]
        levels = [[level[k] for k in whole] for level in (at[0], at[10], made, at[30])]
        if not whole:
            continue
        print(row([case, *(rate(compare.pool(level).figures.asr) for level in levels)]))


def folds(folder: Path, case: str) -> list[Path]:
    """The runs of one case."""
    return [folder / "runs" / f"{case}-{fold}" for fold in range(1, 6)]


def finished(made: Sequence[Path]) -> bool:
    """Whether all of some runs have their figures."""
    return all(map(runs.is_finished, made))


def figures(made: Sequence[Path], clean: Sequence[Path]) -> list[str]:
    """CDA, ASR, floors, and the paired difference to clean runs where there are some."""
    pooled = compare.pool(made).figures
    rates = [rate(s) for s in (pooled.cda, pooled.asr, pooled.ra, pooled.false_target, pooled.sham_asr)]
    return [*rates, difference(made, clean) if clean else "–"]


def difference(made: Sequence[Path], clean: Sequence[Path]) -> str:
    """CDA less that of the clean runs, with its interval."""
    d = compare.compare(made, clean).cda_difference
    return f"{signed(d.value)} ({signed(d.low)} … {signed(d.high)})"


def fusion(folders: Sequence[Path]) -> None:
    """A table for each folder and mode, seeds pooled."""
    for folder in folders:
        singles(folder)
        for mode in MODES:
            grids = sorted(path for path in folder.glob(f"{mode}-*") if path.is_dir())
            print(f"\n### {folder.name}, {mode}, {len(grids)} seed{'s' * (len(grids) != 1)}\n")
            print(row(HEADINGS))
            print(row(["---"] * len(HEADINGS)))
            for video in VIDEO:
                for audio in AUDIO:
                    print(row(cells(grids, mode, video, audio)))


def singles(folder: Path) -> None:
    """The networks on their own."""
    print(f"\n### {folder.name}, each network on its own\n")
    print(row(FIGURES))
    print(row(["---"] * len(FIGURES)))
    for model, cases in (("i3d", VIDEO), ("audio", AUDIO)):
        clean = [path.parent for path in sorted(folder.glob(f"runs/clean-{model}-*/metrics.json"))]
        for case in cases:
            made = [path.parent for path in sorted(folder.glob(f"runs/{case}-{model}-*/metrics.json"))]
            print(row([model, case, *figures(made, clean if case != "clean" else [])]))


def cells(grids: Sequence[Path], mode: str, video: str, audio: str) -> list[str]:
    """One pair's row, over all seeds."""
    pairs, clean = [], []
    for grid in grids:
        seed = grid.name.rsplit("-", 1)[1]
        pairs.append(grid / f"{video}-i3d-{seed}+{audio}-audio-{seed}-{mode}")
        clean.append(grid / f"clean-i3d-{seed}+clean-audio-{seed}-{mode}")
    pooled = compare.pool(pairs).figures
    made = [runs.read_metrics(pair) for pair in pairs]
    both = video != "clean" and audio != "clean"
    alone = [mean(made, name) if both else "" for name in ("asr_video", "asr_audio")]
    rates = [rate(s) for s in (pooled.cda, pooled.asr)]
    floors = [rate(s) for s in (pooled.false_target, pooled.sham_asr)]
    compared = "–" if (video, audio) == ("clean", "clean") else difference(pairs, clean)
    return [video, audio, *rates, *alone, *floors, compared]


def mean(made: Sequence[Metrics], name: str) -> str:
    """The mean over seeds of an ASR with one modality triggered; their numbers of clips are equal."""
    found = [getattr(metrics.fusion, name) for metrics in made if metrics.fusion is not None]
    values = [s.value for s in found if s is not None]
    return f"{sum(values) / len(values):.3f}" if values else ""


def rate(value: Proportion | None) -> str:
    """A rate with its interval and count."""
    return "–" if value is None else f"{value.value:.3f} ({value.low:.3f} … {value.high:.3f}, n {value.n})"


def signed(value: float) -> str:
    """With its sign, a real minus."""
    return f"{value:+.3f}".replace("-", "−")


def row(values: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(values)} |"


if __name__ == "__main__":
    what, paths = sys.argv[1], [Path(name) for name in sys.argv[2:]]
    if what == "fusion":
        fusion(paths)
    else:
        {"ut": ut, "esc": esc}[what](paths[0])
