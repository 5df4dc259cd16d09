"""One run as a case for defenses: what a defender has of it, and the truth, which only the scoring sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec.structs import replace

from trainer.errors import RunError
from trainer.evaluation import inference
from trainer.evaluation.inference import Array, Observed
from trainer.fusion import fuse
from trainer.fusion.run_pair import Pair
from trainer.fusion.scorers import Fused
from trainer.manifest import TRIGGERED, Sample, plain
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run
from trainer.runs.folder import Metrics
from trainer.runs.loaded_run import Trained
from trainer.seeding import generator

CLEAN_FRACTION = 0.1
"""Of each class's test clips, how many are the defender's."""
UNKNOWN = -1
"""The label of a clip that comes without one."""

Member = tuple[Sample, tuple[Sample, ...], tuple[str, ...]]
"""A clip with all that is known of it, its file for each network, and the splits that those are of."""


@dataclass(frozen=True)
class Clip:
    """A clip as a defender sees it: the label it came with, `UNKNOWN` at input time, and a file for each network.

    Split, true label and flag of the files are blank.
    """

    id: str
    label: int
    files: tuple[Sample, ...]


@dataclass(frozen=True)
class Victim:
    """The model under suspicion: one network, or two that are fused."""

    parts: tuple[Trained, ...]
    fused: Fused | None

    def scores(self, seen: Sequence[Observed]) -> Array:
        """Class scores `(N, C)` from what each network made of the same clips."""
        return seen[0].probabilities if self.fused is None else self.fused.scores(*seen)


@dataclass(frozen=True)
class Defender:
    """What a defense works with: the victim, a few clips known to be clean, clips to judge, and nothing else.

    `clean` have their true labels. `judged`: of the training split with the labels that it came with, or inputs
    without. `home`: the split in which the kept features of a clip's files are found.
    """

    victim: Victim
    clean: list[Clip]
    judged: list[Clip]
    progress: Progress
    home: dict[str, tuple[str, ...]]

    @property
    def run(self) -> Trained:
        """The network, where there is one alone."""
        return self.victim.parts[0]

    @property
    def classes(self) -> int:
        return len(self.run.classes)

    def labels(self, clips: Sequence[Clip]) -> np.ndarray:
        """int64 (N,)."""
        return np.array([clip.label for clip in clips], dtype=np.int64)

    def observed(self, clips: Sequence[Clip], part: int = 0) -> Observed:
        """What a network makes of clips in the run's own views; each split is read once and kept."""
        found: dict[str, Observed] = {}
        rows = []
        for clip in clips:
            split = self.home[clip.id][part]
            if split not in found:
                found[split] = inference.of_run(self.victim.parts[part], split, self.progress)
            rows.append((split, clip.files[part].id))
        pieces = {split: dict(zip(seen.ids, range(len(seen.ids)), strict=True)) for split, seen in found.items()}

        def column(name: str) -> Array:
            return np.array([getattr(found[split], name)[pieces[split][identity]] for split, identity in rows])

        return Observed([clip.id for clip in clips], column("features"), column("logits"), column("probabilities"))


@dataclass(frozen=True)
class Case:
    """A run, its clean set, and the truth about every clip by its id."""

    folder: Path
    metrics: Metrics
    victim: Victim
    target: int | None
    clips: dict[str, list[Clip]]
    clean: list[Clip]
    truth: dict[str, Sample]
    home: dict[str, tuple[str, ...]]

    def defender(self, splits: Sequence[str], limit: int | None, progress: Progress) -> Defender:
        """A defender who judges these splits, at most `limit` clips of each, chosen by a hash of their ids.

        The clean set and its triggered copies are left out, and so are triggered clips of the target class, on which
        an attack cannot be seen.
        """
        known = {plain(clip.id) for clip in self.clean}
        judged = []
        for split in splits:
            clips = [clip for clip in self.clips[split] if plain(clip.id) not in known]
            if split == TRIGGERED:
                clips = [clip for clip in clips if self.truth[clip.id].true_label != self.target]
            if limit is not None:
                clips = sorted(sorted(clips, key=lambda clip: _place(clip.id))[:limit], key=lambda clip: clip.id)
            judged += clips
        return Defender(self.victim, self.clean, judged, progress, self.home)


def of_run(folder: Path) -> Case:
    """Read a run or a fused model; raises `RunError` when it cannot be defended."""
    metrics = runs.read_metrics(folder)
    splits: dict[str, list[Member]]
    if metrics.fusion is None:
        run = loaded_run.load(folder)
        victim = Victim((run,), None)
        splits = {name: [(s, (s,), (name,)) for s in run.manifest.split(name)] for name in ("train", "test", TRIGGERED)}
    else:
        pair, fused = fuse.load(folder)
        victim = Victim((pair.video, pair.audio), fused)
        splits = {name: _joined(pair, name) for name in ("test", TRIGGERED)}
        splits["train"] = []
    test = [sample for sample, _, _ in splits["test"]]
    chosen = clean_set(test)
    if not chosen:
        raise RunError(f"{folder} has no class of two test clips, one of which a defender could have", "index more")
    target = victim.parts[0].manifest.target or victim.parts[-1].manifest.target
    clips: dict[str, list[Clip]] = {}
    truth, home, clean = {}, {}, []
    for name, members in splits.items():
        clips[name] = []
        for sample, files, sides in members:
            label = sample.label if name == "train" else UNKNOWN
            clip = Clip(sample.id, label, tuple(_blank(file, label) for file in files))
            truth[clip.id], home[clip.id] = sample, sides
            clips[name].append(clip)
            if name == "test" and clip.id in chosen:
                own = sample.true_label
                clean.append(Clip(clip.id, own, tuple(_blank(file, own) for file in files)))
    return Case(folder, metrics, victim, None if target is None else target.label, clips, clean, truth, home)


def clean_set(test: Sequence[Sample]) -> set[str]:
    """The ids of the defender's clips: a tenth of each class of `test`, at least one where it has two.

    Chosen by a hash of the ids, so that every run on a data set has the same, whatever its seed and attack.
    """
    chosen: set[str] = set()
    for label in {sample.true_label for sample in test}:
        ids = sorted((sample.id for sample in test if sample.true_label == label), key=_place)
        if len(ids) > 1:
            chosen.update(ids[: max(int(CLEAN_FRACTION * len(ids) + 0.5), 1)])
    return chosen


def _place(identity: str) -> float:
    """A number in 0 … 1 that depends on the clip's id alone, the same for a clip and its triggered copy."""
    return float(generator("defender", plain(identity)).random())


def _blank(sample: Sample, label: int) -> Sample:
    return replace(sample, split="", label=label, true_label=label, poisoned=False)


def _joined(pair: Pair, split: str) -> list[Member]:
    """The clips that both networks have of a test split."""
    sides = fuse.sides_of(pair, split)
    if split == TRIGGERED and TRIGGERED not in sides:
        return []
    runs_of = (pair.video, pair.audio)
    files = [{plain(s.id): s for s in run.manifest.split(side)} for run, side in zip(runs_of, sides, strict=True)]
    joined: list[Member] = []
    for sample in pair.video.manifest.split("test"):
        if all(sample.id in by_id for by_id in files):
            identity = sample.id if split == "test" else f"{split}/{sample.id}"
            truth = replace(sample, id=identity, split=split, poisoned=split == TRIGGERED)
            joined.append((truth, tuple(by_id[sample.id] for by_id in files), sides))
    return joined
