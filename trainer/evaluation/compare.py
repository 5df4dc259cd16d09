"""Several runs together: attack against baseline on the same clips, and folds or seeds pooled."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from trainer.errors import RunError
from trainer.runs import folder as runs
from trainer.runs import metrics
from trainer.runs.metrics import Prediction, Scores
from trainer.seeding import generator

RESAMPLES = 10_000
USAGE = "RUN BASELINE [RUN BASELINE]..."


class Difference(msgspec.Struct, frozen=True):
    """A mean difference over `n` clips, with its 95 % bootstrap interval."""

    value: float
    n: int
    low: float
    high: float


class Comparison(msgspec.Struct, frozen=True):
    """An attack beside its baseline; `cda_difference` is its CDA minus the baseline's, by clip."""

    attack: Scores
    baseline: Scores
    cda_difference: Difference
    runs: list[str]
    baselines: list[str]


class Pool(msgspec.Struct, frozen=True):
    """The figures over the test clips of several runs."""

    figures: Scores
    runs: list[str]


@dataclass(frozen=True)
class _Run:
    folder: Path
    predictions: list[Prediction]
    target: int | None


def pool(folders: Sequence[Path]) -> Pool:
    """The figures of several runs, such as folds or seeds, over all their test clips.

    A clip that several runs tested counts each time in the proportion, and once in its interval: it is no new
    evidence. Raises `RunError` when the runs have different targets, or one is given twice.
    """
    seen: set[Path] = set()
    for folder in folders:
        if folder.resolve() in seen:
            raise RunError(f"{folder} is given twice, and its clips would count twice", "give each run once")
        seen.add(folder.resolve())
    return Pool(_pooled([_read(folder) for folder in folders]), [str(folder) for folder in folders])


def compare(attacks: Sequence[Path], baselines: Sequence[Path]) -> Comparison:
    """Compare runs pairwise: the first attack with the first baseline, and so on, pooled.

    Raises `RunError` when a pair was not tested on the same clean clips, or its attack is the baseline.
    """
    if len(attacks) != len(baselines) or not attacks:
        counts = f"{_count(len(attacks), 'run')} and {_count(len(baselines), 'baseline')}"
        raise RunError(f"{counts} are no pairs", f"give each run before its own: `trainer compare {USAGE}`")
    left, right = [_read(folder) for folder in attacks], [_read(folder) for folder in baselines]
    by_clip: dict[str, list[int]] = defaultdict(list)
    for a, b in zip(left, right, strict=True):
        if a.target is None and b.target is not None:
            raise RunError(
                f"{a.folder} is clean and its baseline {b.folder} attacked",
                f"swap them: `trainer compare {b.folder} {a.folder}`",
            )
        for identity, difference in _differences(a, b).items():
            by_clip[identity].append(difference)
    return Comparison(
        attack=_pooled(left),
        baseline=_pooled(right),
        cda_difference=bootstrap(list(by_clip.values())),
        runs=[str(folder) for folder in attacks],
        baselines=[str(folder) for folder in baselines],
    )


def bootstrap(clips: Sequence[Sequence[float]], resamples: int = RESAMPLES) -> Difference:
    """The mean of all values with its 95 % percentile interval, resampling whole clips (Efron 1979).

    `clips` holds the differences of each clip, one per pair of runs that tested it. The draw is seeded: the
    same predictions give the same interval.
    """
    sums = np.array([sum(values) for values in clips], dtype=np.float64)
    counts = np.array([len(values) for values in clips], dtype=np.float64)
    rng = generator("bootstrap", len(clips))
    means: NDArray[np.float64] = np.empty(resamples)
    for i in range(resamples):
        drawn = rng.integers(len(clips), size=len(clips))
        means[i] = sums[drawn].sum() / counts[drawn].sum()
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(float(sums.sum() / counts.sum()), int(counts.sum()), float(low), float(high))


def successes(attacks: Sequence[Path], others: Sequence[Path]) -> Difference:
    """The ASR of runs minus that of others, paired by triggered clip, targets' own left out, pooled.

    Raises `RunError` when a pair was not tested on the same clips, or has no target or another.
    """
    by_clip: dict[str, list[int]] = defaultdict(list)
    for a, b in zip(map(_read, attacks), map(_read, others), strict=True):
        if a.target is None or a.target != b.target:
            raise RunError(
                f"{a.folder} and {b.folder} have targets {a.target} and {b.target}", "compare attacks of one"
            )
        for identity, difference in _differences(a, b, "test_triggered", a.target).items():
            by_clip[identity].append(difference)
    return bootstrap(list(by_clip.values()))


def _differences(attack: _Run, baseline: _Run, split: str = "test", target: int | None = None) -> dict[str, int]:
    """Per test clip: 1 when only the attack run hits, -1 when only the baseline does, else 0.

    A hit is the true label, or with `target` the target on a clip of another class.
    """
    ours = {p.id: p for p in attack.predictions if p.split == split and p.true_label != target}
    theirs = {p.id: p for p in baseline.predictions if p.split == split and p.true_label != target}
    unshared = ours.keys() ^ theirs.keys()
    kind = "clean" if target is None else "triggered"
    if unshared or not ours:
        example = f", such as {min(unshared)!r}" if unshared else ""
        raise RunError(
            f"{attack.folder} and {baseline.folder} cannot be paired: {len(unshared)} {kind} test clips "
            f"are not in both{example}",
            "pair runs of one split",
        )
    for identity, p in ours.items():
        if p.true_label != theirs[identity].true_label:
            raise RunError(
                f"{attack.folder} and {baseline.folder} cannot be paired: clip {identity!r} has true label "
                f"{p.true_label} in one and {theirs[identity].true_label} in the other",
                "pair runs on the same classes",
            )

    def hit(p: Prediction) -> bool:
        return p.prediction == (p.true_label if target is None else target)

    return {k: hit(p) - hit(theirs[k]) for k, p in ours.items()}


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"


def _read(folder: Path) -> _Run:
    target = runs.read_metrics(folder).target
    return _Run(folder, runs.read_predictions(folder / "predictions.csv"), target)


def _pooled(group: Sequence[_Run]) -> Scores:
    targets = {run.target for run in group}
    if len(targets) > 1:
        words = ", ".join(f"{run.folder}: {run.target}" for run in group)
        raise RunError(f"runs with different targets cannot be pooled ({words})", "pool runs of one attack")
    return metrics.scores_of([p for run in group for p in run.predictions], targets.pop())
