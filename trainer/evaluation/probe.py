"""Why a victim learned a trigger, or did not: is it in view, does the network respond to it, was it fitted, memorised?

Four figures, each of which rules one reason out. Ours; the feature shift is a signal-to-noise ratio of what Tran et al.
("Spectral Signatures in Backdoor Attacks", 2018) look for in training data, taken here between two forms of one clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from trainer import manifest as manifests
from trainer.errors import RunError, TrainerError
from trainer.evaluation.inference import Array, observe, of_run
from trainer.manifest import SHAM, TESTS, TRAIN_TRIGGERED, TRIGGERED, Manifest, Sample, attack_details
from trainer.models import find, weights
from trainer.models.initial import start_from
from trainer.progress import Progress
from trainer.proportion import Proportion, hit_rate
from trainer.runs import loaded_run
from trainer.runs.loaded_run import Trained
from trainer.runs.metrics import Scores, below_floors, predict, scores_of

Verdict = Literal["learned", "not in view", "not responded to", "not fitted", "memorised", "responded to"]

RESPONDS = 0.5
"""The least feature shift that counts as a response: half of the spread between clips."""
FITTED = 0.5
"""The least fraction of poisoned training clips that the victim has to give the target."""
MOST = 200
"""Pairs of clips whose features are compared."""

MEANING: dict[Verdict, str] = {
    "learned": "the ASR lies above its floors",
    "not in view": "the victim's input holds little of the trigger: make it stronger or larger, or write clips of the "
    "victim's size",
    "not responded to": "the trigger hardly moves the features that the victim starts from: take other weights, or "
    "another victim",
    "not fitted": "the victim has not learned its poisoned training clips: train it longer",
    "memorised": "the victim knows its poisoned training clips, and not their trigger: poison more clips, or try other "
    "seeds",
    "responded to": "the trigger moves this victim's features; it was not trained on this manifest, so that there is "
    "nothing to be learned or memorised",
}


class Fit(msgspec.Struct, frozen=True):
    """How the poisoned training clips are fitted: given the target, and the mean cross-entropy of that."""

    targeted: Proportion
    loss: float


class Probe(msgspec.Struct, frozen=True):
    """The figures; null where there are no clips to take them from.

    `kept`: of the trigger in the victim's view, the lower of energy and correlation, median. `start_shift`: feature
    shift of the weights that the run started from; `shift`: of the run. `fit`: null for a manifest that the run was not
    trained on. `train_triggered`: ASR on training clips of other classes that were not poisoned.
    """

    run: str
    manifest: str
    verdict: Verdict
    kept: float | None
    start_shift: float | None
    shift: float | None
    fit: Fit | None
    train_triggered: Proportion | None
    asr: Proportion | None
    floor: Proportion | None


def probe(run_folder: Path, manifest_path: Path | None, progress: Progress) -> Probe:
    """Probe a run for the trigger of a manifest, its own if None is given.

    Raises `RunError` or `TrainerError` for a manifest of other classes, without a trigger, or whose trigger is not in
    what the model takes.
    """
    run = loaded_run.load(run_folder)
    made = run.manifest if manifest_path is None else manifests.load(manifest_path)
    target = _target(run, made)
    pairs = _pairs(made, target)
    made.check_files()
    kept = attack_details.in_view(attack_details.read(made.path).samples, run.model.modality)
    seen = {name: of_run(run, name, progress, made) for name in (*TESTS, TRAIN_TRIGGERED) if made.split(name)}
    start_shift = _start_shift(run, made, pairs, progress)
    features = {name: row for part in seen.values() for name, row in zip(part.ids, part.features, strict=True)}
    clean, triggered = (np.stack([features[sample.id] for sample in side]) for side in zip(*pairs, strict=True))
    shift = feature_shift(clean, triggered)
    fit = _fit(run, made, progress) if made.sha256 == run.settings.manifest.sha256 else None
    predictions = [
        predict(sample, row.tolist())
        for name, part in seen.items()
        for sample, row in zip(made.split(name), part.probabilities, strict=True)
    ]
    scores = scores_of(predictions, target)
    others = [p for p in predictions if p.split == TRAIN_TRIGGERED and p.true_label != target]
    return Probe(
        run=str(run_folder),
        manifest=made.name,
        verdict=judge(kept, shift if start_shift is None else start_shift, fit, scores),
        kept=kept,
        start_shift=start_shift,
        shift=shift,
        fit=fit,
        train_triggered=hit_rate((p.id, p.prediction == target) for p in others),
        asr=scores.asr,
        floor=scores.sham_asr or scores.false_target,
    )


def judge(kept: float | None, shift: float | None, fit: Fit | None, scores: Scores) -> Verdict:
    """Which of the cases it is: what rules out most comes first.

    `shift`: of the weights that the run starts from, where they are known: a victim that has learned a trigger moves.
    """
    if fit is not None and scores.asr is not None and below_floors(scores) is None:
        return "learned"
    if kept is not None and kept < attack_details.LOST:
        return "not in view"
    if shift is not None and shift < RESPONDS:
        return "not responded to"
    if fit is None:
        return "responded to"
    return "not fitted" if fit.targeted.value < FITTED else "memorised"


def feature_shift(clean: Array, triggered: Array) -> float:
    """How far a trigger moves features `(N, D)` of the same N clips, over their spread between clips that way.

    The mean difference is taken; the spread is the standard deviation of the clean features along it. 0 where nothing
    moves; infinity where the clean features do not differ.
    """
    change = (triggered - clean).mean(axis=0)
    length = float(np.linalg.norm(change))
    if length == 0:
        return 0.0
    spread = float(np.std(clean @ (change / length)))
    return length / spread if spread else float("inf")


def _target(run: Trained, made: Manifest) -> int:
    if run.classes != made.classes:
        raise RunError(
            f"the run {run.folder} knows the classes {', '.join(run.classes)}, {made.path} has "
            f"{', '.join(made.classes)}",
            "probe it on a manifest of the same classes",
        )
    if made.target is None or not made.attacked or not made.split(TRIGGERED):
        raise TrainerError(f"{made.path} has no clips with a trigger", "give the manifest of a poisoned copy")
    if run.model.modality not in made.attacked:
        raise TrainerError(
            f"the trigger of {made.path} is in the {' and '.join(sorted(made.attacked))}, and the model "
            f"{run.settings.model} takes the {run.model.modality}",
            "probe a run of a model that takes the other",
        )
    return made.target.label


def _pairs(made: Manifest, target: int) -> list[tuple[Sample, Sample]]:
    """Test clips of other classes without the trigger and with it; re-encoded ones where they are there."""
    by_id = {sample.id: sample for sample in made.samples if sample.split in ("test", SHAM)}
    pairs = []
    for sample in made.split(TRIGGERED):
        clip = sample.id.removeprefix(f"{TRIGGERED}/")
        control = by_id.get(f"{SHAM}/{clip}") or by_id.get(clip)
        if control is not None and sample.true_label != target:
            pairs.append((control, sample))
    if len(pairs) < 2:
        raise TrainerError(
            f"{made.path} has {len(pairs)} test clips of other classes with and without the trigger",
            "two are needed: give another manifest",
        )
    return pairs[:MOST]


def _start_shift(
    run: Trained, made: Manifest, pairs: Sequence[tuple[Sample, Sample]], progress: Progress
) -> float | None:
    """The shift in the network that the run started from; None where that was drawn, or its weights are gone."""
    given = run.settings.weights_from
    if not given:
        return None
    try:
        initial, origin = start_from(Path(given), run.settings.model, run.preset.name)
    except TrainerError as error:
        progress.say(f"note: the weights that {run.folder} started from cannot be read: {error.message}")
        return None
    if initial is None or origin != run.settings.weights:
        progress.say(f"note: {given} is not what {run.folder} started from any more")
        return None
    model = find(run.settings.model).from_preset(weights.adopt(run.preset, initial), len(run.classes))
    weights.initialise(model, initial)
    clips = [sample for pair in pairs for sample in pair]
    with progress.stage("starting weights", len(clips)) as step:
        features = observe(model, made, clips, run.preset, run.views, step).features
    return feature_shift(features[0::2], features[1::2])


def _fit(run: Trained, made: Manifest, progress: Progress) -> Fit | None:
    poisoned = [sample for sample in made.split("train") if sample.poisoned]
    with progress.stage("poisoned training clips", len(poisoned)) as step:
        seen = observe(run.model, made, poisoned, run.preset, run.views, step).probabilities
    targeted = hit_rate(
        (s.id, predict(s, row.tolist()).prediction == s.label) for s, row in zip(poisoned, seen, strict=True)
    )
    if targeted is None:
        return None
    own = [row[sample.label] for sample, row in zip(poisoned, seen, strict=True)]
    return Fit(targeted, float(-np.log(np.maximum(own, 1e-12)).mean()))
