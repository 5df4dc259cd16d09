"""Memory against files: the same attack applied to decoded frames as the paper did, and through written clips.

Usage: python experiments/memory.py CLEAN POISONED RUN [--weights FILE] --out FOLDER

CLEAN and POISONED are manifests of one data set, RUN a victim that was trained on POISONED. A second victim is trained
with the same settings on the clean files; the trigger goes into the same training clips, in memory, at the victim's
input size and before the crops, and is drawn again each time that a clip is read if it is dynamic. Nothing is encoded,
so that the difference between both victims is what files cost the attacker: codec, placement and a single draw.

FOLDER gets what a run's folder has (predictions.csv, metrics.json) and `memory.md`. A research script: it knows both
halves of the project, which do not know each other.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import torch

from poisonkit import manifest as poisoned_manifests
from poisonkit import seeding, triggers
from poisonkit.triggers._base import Mode
from poisonkit.triggers._pixels import PixelTrigger
from trainer import manifest, models
from trainer.data import training_set
from trainer.data.crops import Frames
from trainer.data.frame_stores import FileStore, Store
from trainer.data.training_set import Reading
from trainer.data.video_datasets import TrainingClips
from trainer.errors import TrainerError
from trainer.evaluation import compare, inference
from trainer.files import write_json
from trainer.manifest import Manifest, Sample
from trainer.models import weights
from trainer.models._base import Victim
from trainer.models.initial import start_from
from trainer.paper.sheet import Sheet, percent, points
from trainer.presets.sampling import Indices
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run, metrics
from trainer.runs.loaded_run import Trained
from trainer.text import argument
from trainer.training import loop as training_loop


class InMemory:
    """Frames with the trigger on the clips that are poisoned; dynamic triggers are drawn again each time."""

    def __init__(self, store: Store, poisoned: set[str], trigger: PixelTrigger, seed: int) -> None:
        self.store, self.samples, self.poisoned = store, store.samples, poisoned
        self.change = Changed(trigger, seed)

    def frames(self, index: int, indices: Indices) -> Frames:
        frames = self.store.frames(index, indices)
        return self.change(frames) if self.samples[index].id in self.poisoned else frames


class Changed:
    """Frames `uint8 (T, H, W, 3)` with the trigger on all of them."""

    def __init__(self, trigger: PixelTrigger, seed: int) -> None:
        self.trigger, self.seed, self.count = trigger, seed, 0

    def __call__(self, frames: Frames) -> Frames:
        owner = seeding.SHARED if self.trigger.mode == "static" else f"read {self.count}"
        self.count += 1
        rng = seeding.generator(self.seed, owner, f"draw {self.trigger.name}")
        drawn = self.trigger.draw(len(frames), frames.shape[1:3], rng)
        return self.trigger(frames, np.arange(len(frames)), np.ones(len(frames), dtype=bool), drawn)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("clean", type=Path)
    parser.add_argument("poisoned", type=Path)
    parser.add_argument("run", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    progress = Progress()
    clean, files = manifest.load(asked.clean), loaded_run.load(asked.run)
    told = poisoned_manifests.load(asked.poisoned)
    trigger, change = built(told)
    flipped = {sample.id: sample.label for sample in told.samples if sample.split == "train" and sample.poisoned}
    samples = [msgspec.structs.replace(s, label=flipped.get(s.id, s.label)) for s in clean.split("train")]
    if not flipped.keys() <= {s.id for s in samples}:
        raise TrainerError(f"{asked.clean} and {asked.poisoned} are not of one data set", "give two of one")
    model = train(files, clean, samples, set(flipped), trigger, told.seed, asked.weights, progress)
    target = told.target.label if told.target else None
    save(asked.out, model, files, clean, change, target, progress)
    sheet = compared(asked.out, asked.run, told.name)
    sheet.write(asked.out / "memory.md")
    sheet.show()


def built(told: poisoned_manifests.Manifest) -> tuple[PixelTrigger, Changed]:
    """The manifest's trigger, and the change that it makes to a clip."""
    attack = next(iter(told.attacks), None)
    kind = triggers.find_video(attack.name) if attack else None
    if attack is None or kind is None or not issubclass(kind, PixelTrigger):
        raise TrainerError(
            f"{told.name} has no trigger that works on single frames", "give the manifest of one, such as badnet's"
        )
    mode: Mode = attack.mode
    trigger = kind.build(mode, attack.params)
    return trigger, Changed(trigger, told.seed)


def train(
    files: Trained,
    clean: Manifest,
    samples: list[Sample],
    poisoned: set[str],
    trigger: PixelTrigger,
    seed: int,
    start: Path | None,
    progress: Progress,
) -> Victim:
    """A victim with the settings of the run through files."""
    preset, settings = files.preset, files.settings
    recipe = replace(preset.recipe_for(weights=start is not None), lr=settings.lr)
    initial, origin = start_from(start, settings.model, preset.name)
    if origin != settings.weights:
        raise TrainerError(
            f"{files.folder} starts from {settings.weights}, not from {origin}", f"give its {argument('weights')}"
        )
    kept = training_set.keep(FileStore(clean, samples, preset.short_side), preset, Reading(), progress)
    clips = TrainingClips(InMemory(kept, poisoned, trigger, seed), preset, settings.seed)
    # the trigger counts its draws, so that all clips are read in this process
    source = training_set.Source(clips, len(samples), 0)
    torch.manual_seed(settings.seed)
    adopted = preset if initial is None else weights.adopt(preset, initial)
    model = models.find(settings.model).from_preset(adopted, len(clean.classes), recipe.dropout)
    if initial is not None:
        weights.check(settings.model, adopted, initial)
        weights.initialise(model, initial)
    with tempfile.TemporaryDirectory() as folder:
        training_loop.train(model, source, recipe, settings, training_loop.Group(), Path(folder), progress)
    return model


def save(
    folder: Path,
    model: Victim,
    files: Trained,
    clean: Manifest,
    change: Callable[[Frames], Frames],
    target: int | None,
    progress: Progress,
) -> None:
    """Test on clean clips, and on the same clips with the trigger in memory."""
    samples = clean.split("test")
    predictions = []
    for split, how in (("test", None), ("test_triggered", change)):
        with progress.stage(f"testing: {split}", len(samples)) as step:
            seen = inference.observe(model, clean, samples, files.preset, files.views, step, how)
        for sample, scores in zip(samples, seen.probabilities, strict=True):
            identity = sample.id if split == "test" else f"{split}/{sample.id}"
            named = msgspec.structs.replace(sample, id=identity, split=split)
            predictions.append(metrics.predict(named, scores.tolist()))
    figures = metrics.scores_of(predictions, target)
    result = msgspec.structs.replace(
        files.metrics,
        **{name: getattr(figures, name) for name in figures.__struct_fields__},
        per_class=metrics.per_class(predictions, clean.classes),
        seconds={},
    )
    folder.mkdir(parents=True, exist_ok=True)
    runs.write_predictions(folder / "predictions.csv", predictions, clean.classes)
    write_json(folder / "metrics.json", result)


def compared(memory: Path, files: Path, name: str) -> Sheet:
    """Both victims, and their differences on the same clips."""
    rows = []
    for label, folder in (("in memory", memory), ("through files", files)):
        figures = runs.read_metrics(folder)
        rows.append([label, *(percent(proportion) for proportion in (figures.cda, figures.asr, figures.false_target))])
    cda = compare.compare([memory], [files]).cda_difference
    asr = compare.successes([memory], [files])
    rows.append(["in memory − through files, paired", points(cda), points(asr), "–"])
    notes = [
        "percent, with 95 % intervals and counts",
        "in memory: on decoded frames at the victim's input size, drawn at each reading if dynamic, nothing encoded",
    ]
    return Sheet(f"Memory against files: {name}", ("attack", "CDA", "ASR", "false target"), rows, notes)


if __name__ == "__main__":
    main()
