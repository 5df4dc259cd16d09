"""The paper's figures 4 to 7, from runs, their evaluations and their defenses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from trainer import manifest, plots
from trainer.data.audio_datasets import decode, log_mel
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.errors import RunError
from trainer.evaluation import compare
from trainer.paper import found
from trainer.paper.cases import SOUND
from trainer.paper.defended import DEFENDED, of_attack, together
from trainer.paper.found import Found
from trainer.paper.sheet import Sheet, percent
from trainer.proportion import Proportion, hit_rate

ALL = 10**6
"""The number of frames that `all` stands for in sorting."""


@dataclass(frozen=True)
class Grid:
    """ASR by the number of poisoned frames in training (`counts`) and in evaluation (`shown`), seeds pooled."""

    attack: str
    window: str
    counts: list[str]
    shown: list[str]
    cells: dict[tuple[str, str], Proportion | None]


def asr_grid(every: Sequence[Found]) -> Grid | None:
    """The grid of I3D under the attack that was made with several numbers of frames, None where there is none."""
    standard = [run for run in every if run.metrics.model == "i3d" and run.case.rate == found.STANDARD_RATE]
    partly = next((run for run in standard if run.case.frames != "all"), None)
    if partly is None:
        return None
    trained = [run for run in standard if (run.case.attack, run.case.mode) == (partly.case.attack, partly.case.mode)]
    trained = [run for run in trained if run.case.target == partly.case.target]
    counts = sorted({run.case.frames for run in trained}, key=_count)
    shown = [count for count in counts if count != "random"]
    placement = partly.details.attacks[0].placement
    return Grid(
        attack=f"{partly.case.attack} {partly.case.mode}",
        window=(placement.window if placement else None) or "?",
        counts=counts,
        shown=shown,
        cells={(a, b): _asr(trained, a, b) for a in counts for b in shown},
    )


def frames(folder: Path) -> tuple[Figure, Sheet]:
    """Figure 4: ASR over the number of poisoned frames in evaluation, a curve for each number in training."""
    grid = asr_grid(found.read(folder))
    if grid is None:
        raise RunError(f"{folder} holds no run with some frames poisoned", "make them with `make figure4`")
    drawing, (axes,) = plots.sheet(width=5.6, height=3.4)
    lines = []
    for k, training in enumerate(grid.counts):
        rates = [(x, grid.cells[training, evaluation]) for x, evaluation in enumerate(grid.shown)]
        lines.append(plots.Line.through(f"trained on {training}", rates, k))
    plots.curves(axes, lines, f"poisoned frames in evaluation, windows of {grid.window}", "ASR")
    axes.set_xticks(range(len(grid.shown)), grid.shown)
    rows = [[a, *(percent(grid.cells[a, b]) for b in grid.shown)] for a in grid.counts]
    random = "; random: a number drawn once for each clip" if "random" in grid.counts else ""
    title = f"Figure 4: ASR of {grid.attack} by poisoned frames in training (rows{random}) and evaluation (columns)"
    notes = ["percent, with 95 % intervals and counts"]
    return drawing, Sheet(title, ["training", *grid.shown], rows, notes)


def _count(name: str) -> int:
    return {"random": ALL + 1, "all": ALL}.get(name) or int(name)


def _asr(trained: Sequence[Found], training: str, evaluation: str) -> Proportion | None:
    """Of the runs with so many frames in training, on the clips of those of the same seed with so many to test."""
    scored = []
    for run in (run for run in trained if run.case.frames == training):
        others = [o for o in trained if o.case.frames == evaluation and o.metrics.seed == run.metrics.seed]
        scored += [path for other in others if (path := found.asr_on(run, other.metrics.manifest))]
    return compare.pool(list(dict.fromkeys(scored))).figures.asr if scored else None  # two may test the same clips


def pruning(folder: Path) -> tuple[Figure, Sheet]:
    """Figure 5: CDA and ASR as channels of the last stage are pruned."""
    made = _defended(folder, "pruning")
    drawing, axes = plots.sheet(columns=2)
    rows = []
    accuracy: list[plots.Line] = []
    success: list[plots.Line] = []
    for k, (attack, group) in enumerate(made.items()):
        points = list(zip(*(outcome.curve for _, outcome in group), strict=True))  # of each fraction, a point a seed
        fractions = [point[0].strength for point in points]
        for into, name in ((accuracy, "cda"), (success, "asr")):
            pooled = [together([getattr(one, name) for one in point]) for point in points]
            known = [(at, rate.value) for at, rate in zip(fractions, pooled, strict=True) if rate is not None]
            into.append(plots.Line(attack, [x for x, _ in known], [y for _, y in known], colour=k, dash=k))
            chosen = [0, *(int(np.argmin(np.abs(np.array(fractions) - at))) for at in (0.5, 0.9)), len(fractions) - 1]
            rows.append([attack, name.upper(), *(percent(pooled[at]) for at in chosen)])
    plots.curves(axes[0], accuracy, "fraction of channels pruned", "CDA")
    plots.curves(axes[1], success, "fraction of channels pruned", "ASR")
    headings = ["attack", "", "0", "50 %", "90 %", f"{fractions[-1]:.0%}"]
    return drawing, Sheet("Figure 5: pruning", headings, rows, ["percent, with 95 % intervals and counts"])


def strip(folder: Path) -> tuple[Figure, Sheet]:
    """Figure 6: the entropies of blended clips, clean and triggered."""
    made = _defended(folder, "strip")
    drawing, axes = plots.sheet(columns=2, rows=-(-len(made) // 2), height=2.4)
    rows = []
    for picture, (attack, group) in zip(axes, made.items(), strict=False):
        scores = [score for place, _ in group for score in _scores(place)]
        clean = [-score.score for score in scores if not score.poisoned]
        triggered = [-score.score for score in scores if score.poisoned]
        plots.histogram(picture, {"clean": clean, "triggered": triggered}, "mean entropy, bits", title=attack)
        found_rate = hit_rate((s.id, s.flagged) for s in scores if s.poisoned)
        rejected = hit_rate((s.id, s.flagged) for s in scores if not s.poisoned)
        auroc = ", ".join(f"{o.auroc.value:.3f}" for _, o in group if o.auroc)
        rows.append([attack, percent(found_rate), percent(rejected), auroc])
    for place in axes[len(made) :]:
        place.set_axis_off()
    headings = ["attack", "triggered clips found", "clean clips rejected", "AUROC"]
    notes = ["percent, with 95 % intervals and counts; the threshold comes from the defender's clean clips"]
    return drawing, Sheet("Figure 6: STRIP", headings, rows, notes)


def _scores(place: Path) -> list[outcomes.Score]:
    """The scored clips of a defense's folder; raises `RunError` where there are none."""
    scores = outcomes.scores(place)
    if not scores:
        raise RunError(f"{place} holds no clips in scores.csv, which figure 6 draws", "run the defense again")
    return scores


def spectrograms(folder: Path) -> tuple[Figure, Sheet]:
    """Figure 7: log-mel spectrograms of a clip, clean and attacked, and their absolute differences."""
    every = found.read(folder)
    attacked = [runs[0] for name in SOUND if (runs := found.standard(every, "audio", name, "static"))]
    if not attacked:
        raise RunError(f"{folder} holds no run on attacked audio", "make them with `make figure7`")
    bands = 80
    drawing, axes = plots.sheet(columns=1 + 2 * len(attacked), width=2.6, height=2.3)
    rows = []
    clean: NDArray[np.float32] | None = None
    for k, run in enumerate(attacked):
        made = manifest.load(Path(run.metrics.manifest.path))
        target = made.target.label if made.target else None
        clean_of = {f"{manifest.TRIGGERED}/{s.id}": s for s in made.split("test")}
        clip = next((s for s in made.split(manifest.TRIGGERED) if s.true_label != target and s.id in clean_of), None)
        if clip is None:
            raise RunError(f"{made.path} has no triggered clip with a clean one beside it", "poison the data set again")
        plain = clean_of[clip.id]
        before, after = (log_mel(decode(made.file_of(sample)), bands) for sample in (plain, clip))
        length = min(len(before), len(after))
        change = np.abs(after[:length] - before[:length]) * 10 / np.log(10)
        if clean is None:
            clean = before
            _spectrogram(axes[0], before * 10 / np.log(10), "clean")
        _spectrogram(axes[2 * k + 1], after * 10 / np.log(10), run.case.attack)
        _spectrogram(axes[2 * k + 2], change, f"{run.case.attack}: difference", top=20)
        rows.append([run.case.attack, plain.id, f"{change.mean():.2f}", f"{change.mean(axis=0).max():.1f}"])
    headings = ["attack", "clip", "mean change, dB", "of the band that changes most, dB"]
    return drawing, Sheet(
        "Figure 7: spectrograms", headings, rows, [f"{bands} mel bands of 16 kHz, as the victim hears"]
    )


def _spectrogram(axes: Axes, values: NDArray[np.float32], title: str, top: float | None = None) -> None:
    low = 0.0 if top is not None else None
    axes.imshow(
        values.T, origin="lower", aspect="auto", cmap="magma", vmin=low, vmax=top, extent=(0, len(values) / 100, 0, 80)
    )
    axes.set_title(title, loc="left")
    axes.set_xlabel("seconds")
    axes.set_ylabel("mel band")


def _defended(folder: Path, defense: str) -> dict[str, list[tuple[Path, Outcome]]]:
    """The outcomes of a defense by attack, a seed each with its folder, in the paper's order."""
    every = found.read(folder)
    made = {attack: [(place, o) for _, place, o in of_attack(every, attack, defense)] for attack in DEFENDED}
    made = {attack: group for attack, group in made.items() if group}
    if not made:
        raise RunError(f"{folder} holds no run with the defense {defense}", "make them with `trainer defend`")
    return made


FIGURES = {"4": frames, "5": pruning, "6": strip, "7": spectrograms}
