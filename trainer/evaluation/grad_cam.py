"""Where a victim looks: Grad-CAM on clean and triggered clips, as strips of frames.

Selvaraju et al., "Grad-CAM", 2017, by captum, on the last convolutional stage, and laid over the input. The input is
one view: the middle window, the crop in the middle. Of SlowFast it is the slow path's last stage: the fast path has an
eighth of its channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softmax

from trainer import files, plots
from trainer.data import audio_datasets, crops
from trainer.data.frame_stores import FileStore
from trainer.errors import RunError, TrainerError, suggest
from trainer.evaluation import example_clips
from trainer.manifest import Manifest, Sample
from trainer.models._base import Victim
from trainer.progress import Progress
from trainer.runs import folder as runs
from trainer.runs import loaded_run
from trainer.runs.folder import ManifestStamp
from trainer.runs.loaded_run import Trained
from trainer.text import argument

FRAMES = 8
"""Frames of a strip."""
SIDE = 112
"""Pixels of a frame in a strip."""
OPACITY = 0.55
"""Of the overlay where it is strongest."""

Map = NDArray[np.float32]


class Explanation(msgspec.Struct, frozen=True):
    """One picture: which clip, the class that was explained, and what the victim thinks of that view.

    `explained`: the class whose score the map explains; `score`: its probability; `predicted`: the class of the highest
    one. `empty`: no place speaks for the class, so that there is nothing to see.
    """

    file: str
    clip: str
    split: str
    true_class: str
    explained: str
    score: float
    predicted: str
    empty: bool


class Explanations(msgspec.Struct, frozen=True):
    """`explanations.json`: what the pictures beside it show.

    `layer`: in words; `grid`: how many places the stage tells apart in time, height and width (of audio: in time and
    frequency), which the maps are stretched from; `weights`: the hash of weights.pt.
    """

    run: str
    model: str
    manifest: ManifestStamp
    weights: str
    method: str
    layer: str
    grid: list[int]
    pictures: list[Explanation]


@dataclass(frozen=True)
class ExplainOptions:
    """What `trainer explain` was asked for; `explained`: the class to explain instead of target and prediction."""

    run: Path
    clips: int = 4
    explained: str | None = None


@dataclass(frozen=True)
class Saliency:
    """What speaks for a class: `map` over the input's time, height and width (frames and bands), 0 … 1 at its peak.

    `grid`: the size of the stage's own map, which is stretched to the input's.
    """

    map: Map
    grid: tuple[int, ...]
    label: int
    score: float
    predicted: int


def explain(options: ExplainOptions, progress: Progress) -> Explanations:
    """Write `RUN/explanations/`: one picture a clip and split, and `explanations.json`, last.

    Triggered clips are explained for the target, clean ones for the class that the victim predicts.
    """
    if options.clips < 1:
        raise TrainerError(f"{argument('clips', options.clips)} is less than 1", "ask for 1 or more")
    if runs.is_finished(options.run) and runs.read_metrics(options.run).fusion is not None:
        raise RunError(f"{options.run} is a fused model", "explain the runs that it was made from")
    run = loaded_run.load(options.run)
    manifest, model = run.manifest, run.model.eval()
    asked = None if options.explained is None else label_of(options.explained, manifest)
    target = None if manifest.target is None else manifest.target.label
    chosen = example_clips.choose(manifest, options.clips)
    if not chosen:
        raise RunError(f"{manifest.path} has no test clips to explain", "name a run on a data set with test clips")
    folder = options.run / "explanations"
    folder.mkdir(exist_ok=True)
    # of another choice of clips; the index first, so that it never names what is not there
    for old in (folder / "explanations.json", *folder.glob("*.png")):
        old.unlink(missing_ok=True)
    pictures: list[Explanation] = []
    grid: list[int] = []
    with progress.stage("explaining", len(chosen)) as step:
        for number, example in enumerate(chosen, start=1):
            for name, sample in (("clean", example.clean), ("triggered", example.triggered)):
                if sample is None:
                    continue
                wanted = asked if asked is not None or name == "clean" else target
                clip = view(run, sample)
                found = saliency(model, clip, wanted)
                file = f"{number:02d}-{name}.png"
                _draw(folder / file, clip, found)
                grid = list(found.grid)
                pictures.append(_record(file, sample, found, manifest))
            step()
    result = Explanations(
        run=str(options.run),
        model=run.settings.model,
        manifest=run.metrics.manifest,
        weights=run.weights_sha256,
        method="Grad-CAM on one view: the middle window, the crop in the middle; every map is scaled to its own peak",
        layer=model.last_stage_name,
        grid=grid,
        pictures=pictures,
    )
    files.write_json(folder / "explanations.json", result)
    return result


def read(folder: Path) -> Explanations | None:
    """The explanations that a run's folder holds, None without any; raises `RunError` for damaged ones."""
    path = folder / "explanations" / "explanations.json"
    if not path.is_file():
        return None
    try:
        found: Explanations = runs.read(path, Explanations)
    except RunError:
        raise RunError(f"{path} is damaged or of another version", f"run `trainer explain {folder}` again") from None
    return found


def label_of(name: str, manifest: Manifest) -> int:
    """A class by its name or its label; raises `TrainerError` that names the nearest known one."""
    if name in manifest.classes:
        return manifest.classes.index(name)
    if name.isdecimal() and int(name) < len(manifest.classes):
        return int(name)
    raise TrainerError(f"there is no class {name!r}", suggest(name, manifest.classes))


def view(run: Trained, sample: Sample) -> Tensor:
    """The view that is explained: `uint8 (3, T, S, S)`, of audio `float32 (1, F, B)`."""
    preset, views = run.preset, run.views
    if run.model.modality == "audio":
        mel = audio_datasets.log_mel(audio_datasets.decode(run.manifest.file_of(sample)), preset.short_side)
        return torch.from_numpy(mel[preset.sampling.test(len(mel), None, 1)[0]])[None]
    window = preset.sampling.test(sample.num_frames, sample.stride, 1)[0]
    frames = FileStore(run.manifest, [sample], views.short_side).frames(0, window)
    height, width = frames.shape[1:3]
    box, flip = crops.view_boxes(height, width, 1, views.size)[0]
    return crops.cut(frames, box, views.size, flip)


def saliency(model: Victim, clip: Tensor, label: int | None) -> Saliency:
    """Grad-CAM of one view for a class, or for the predicted one; negative evidence counts as none."""
    from captum.attr import LayerAttribution, LayerGradCam

    batch = clip[None].float()
    with torch.inference_mode():
        scores = softmax(model(batch).double(), dim=1)[0]
    predicted = int(scores.argmax())
    label = predicted if label is None else label
    attribution = LayerGradCam(model, model.last_stage).attribute(batch, target=label, relu_attributions=True)
    size = tuple(clip.shape[1:])
    mode = "trilinear" if len(size) == 3 else "bilinear"
    wide = LayerAttribution.interpolate(attribution.detach(), size, mode)[0, 0].numpy()
    peak = float(wide.max())
    grid = tuple(attribution.shape[2:])
    return Saliency(wide / peak if peak > 0 else wide, grid, label, float(scores[label]), predicted)


def _record(file: str, sample: Sample, found: Saliency, manifest: Manifest) -> Explanation:
    return Explanation(
        file=file,
        clip=sample.id,
        split=sample.split,
        true_class=manifest.classes[sample.true_label],
        explained=manifest.classes[found.label],
        score=found.score,
        predicted=manifest.classes[found.predicted],
        empty=not found.map.any(),
    )


def _draw(path: Path, clip: Tensor, found: Saliency) -> None:
    if clip.ndim == 3:
        _draw_sound(path, clip[0].numpy(), found.map)
        return
    done, content = cv2.imencode(".png", strip(clip.permute(1, 2, 3, 0).numpy(), found.map)[..., ::-1])
    if not done:
        raise TrainerError(f"OpenCV cannot encode {path}", "check that opencv-python-headless is whole")
    files.write(path, content.tobytes())


def strip(frames: crops.Frames, heat: Map) -> crops.Frames:
    """Frames `uint8 (T, S, S, 3)` in the upper row, under them the same with a map `(T, S, S)` laid over them."""
    places = np.round(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames)))).astype(int)
    columns = []
    for k in places:
        plain = cv2.resize(frames[k], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        weight = np.clip(cv2.resize(heat[k], (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), 0, 1)
        colour = cv2.applyColorMap((weight * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        opacity = OPACITY * np.sqrt(weight)[..., None]  # the root lets faint evidence be seen
        mixed = (plain * (1 - opacity) + colour * opacity).round().astype(np.uint8)
        columns.append(np.pad(np.vstack([plain, mixed]), ((0, 0), (1, 1), (0, 0)), constant_values=128))
    return np.hstack(columns)


def _draw_sound(path: Path, mel: Map, heat: Map) -> None:
    """A spectrogram `(F, B)`, and under it the same with the map laid over it."""
    figure, axes = plots.sheet(rows=2, height=1.9)
    extent = (0.0, 100.0, 0.0, float(mel.shape[1]))
    for k, title in enumerate(("log-mel spectrogram, as the victim hears it", "what speaks for the class")):
        axes[k].imshow(mel.T, origin="lower", aspect="auto", cmap="gray", extent=extent)
        if k:
            alpha = OPACITY * np.sqrt(np.clip(heat.T, 0, 1))
            axes[k].imshow(heat.T, origin="lower", aspect="auto", cmap="inferno", alpha=alpha, extent=extent)
        axes[k].set_title(title, loc="left")
        axes[k].set_ylabel("mel band")
    axes[1].set_xlabel("per cent of the clip")
    plots.save(figure, path)
