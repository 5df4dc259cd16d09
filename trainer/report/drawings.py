"""The page's drawings: figures, classes, learning curves, spectrograms, defenses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from trainer import plots
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Outcome
from trainer.plots import Line
from trainer.proportion import Proportion
from trainer.report.media import Sound

WIDTH = 4.3
"""Inches: little more than a phone's width, so that the text stays readable there."""
POINTS = 60
"""Of a learning curve: more steps are averaged."""
WINDOW = 1024
"""Samples of a spectrogram's window."""
RANGE_DB = 90.0
"""Under the loudest place everything is drawn as silence."""


def proportions(values: Mapping[str, Proportion | None], axis: str, label: str) -> Markup | None:
    """One bar a name with its interval; None without any."""
    found = {_plain(name): proportion for name, proportion in values.items() if proportion is not None}
    if not found:
        return None
    figure, axes = plots.sheet(width=WIDTH, height=0.75 + 0.27 * len(found))
    plots.bars(axes[0], found, axis)
    return Markup(plots.inline(figure, label))


def learning(folder: Path, run: str) -> list[tuple[str, Markup]]:
    """The curves of the TensorBoard logs of `run` in a folder, with a caption each; empty without logs."""
    if not any(folder.glob("events.out.tfevents.*")):
        return []
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    drawn = []
    names = {"loss": "training loss", "lr": "learning rate"}
    for tag in [tag for tag in names if tag in events.Tags()["scalars"]]:
        steps, values, together = averaged([(e.step, e.value) for e in events.Scalars(tag)])
        figure, axes = plots.sheet(width=WIDTH, height=2.2)
        plots.curves(axes[0], [Line(tag, steps, values)], "step", names[tag], proportions=False)
        axes[0].set_ylim(bottom=0)
        if len(steps) > 1:
            axes[0].lines[0].set_marker("")
        else:  # a lone point has no line: its marker is all there is to see, and its step the only one
            axes[0].lines[0].set_markersize(5)
            axes[0].set_xticks(steps)
        noun = f", the mean of {together} records a point" if together > 1 else ""
        ends = [f"{value:.3g} at step {step:.0f}" for value, step in zip(values, steps, strict=True)]
        label = f"{names[tag]} of {run}" + (f" from {ends[0]} to {ends[-1]}" if len(ends) > 1 else f": {ends[0]}")
        drawn.append((f"{names[tag].capitalize()} by step{noun}.", Markup(plots.inline(figure, label))))
    return drawn


def averaged(points: Sequence[tuple[int, float]]) -> tuple[list[float], list[float], int]:
    """Steps and values, means of so many neighbours that at most `POINTS` are left; and how many."""
    together = -(-len(points) // POINTS)
    parts = [points[k : k + together] for k in range(0, len(points), together)]
    steps = [float(np.mean([step for step, _ in part])) for part in parts]
    return steps, [float(np.mean([value for _, value in part])) for part in parts], together


def spectrograms(clean: Sound, triggered: Sound, rate: int, label: str) -> Markup:
    """Two spectrograms over one scale, up to half the sample rate."""
    figure, axes = plots.sheet(rows=2, width=WIDTH, height=1.7)
    pictures = [_spectrogram(sound) for sound in (clean, triggered)]
    top = max(float(picture.max()) for picture in pictures)
    for k, (picture, title) in enumerate(zip(pictures, ("clean", "triggered"), strict=True)):
        extent = (0.0, len((clean, triggered)[k]) / rate, 0.0, rate / 2000)
        axes[k].imshow(
            picture, origin="lower", aspect="auto", cmap="magma", extent=extent, vmin=top - RANGE_DB, vmax=top
        )
        axes[k].set_title(title, loc="left")
        axes[k].set_ylabel("kHz")
    axes[-1].set_xlabel("seconds")
    return Markup(plots.inline(figure, label))


def _spectrogram(sound: Sound) -> NDArray[np.float64]:
    """Decibels (bins, frames), thinned to about the pixels that are drawn."""
    padded = np.pad(sound, (0, max(WINDOW - len(sound), 0)))
    hop = max((len(padded) - WINDOW) // 400, 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::hop] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames)).T ** 2
    halved = power[: WINDOW // 2].reshape(WINDOW // 4, 2, -1).mean(axis=1)
    made: NDArray[np.float64] = 10 * np.log10(np.maximum(halved, 1e-10))
    return made


def curve(outcome: Outcome, run: str) -> Markup | None:
    """CDA, ASR and RA over a defense's strength."""
    points = outcome.curve
    lines = []
    for colour, (name, attribute) in enumerate((("CDA", "cda"), ("ASR", "asr"), ("RA", "ra"))):
        line = Line.through(name, ((p.strength, getattr(p, attribute)) for p in points), colour)
        if line.xs:
            lines.append(line)
    if not lines:
        return None
    figure, axes = plots.sheet(width=WIDTH, height=2.6)
    plots.curves(axes[0], lines, _plain(outcome.strength or "strength"), "fraction of clips")
    return Markup(plots.inline(figure, f"{outcome.defense} on {run}: figures over {outcome.strength or 'strength'}"))


def scores(folder: Path, defense: str, run: str) -> Markup | None:
    """A defense's scores of poisoned and of clean clips; None without any."""
    groups: dict[str, list[float]] = {"clean": [], "poisoned": []}
    for score in outcomes.scores(folder):
        groups["poisoned" if score.poisoned else "clean"].append(score.score)
    groups = {name: values for name, values in groups.items() if values}
    if not groups:
        return None
    figure, axes = plots.sheet(width=WIDTH, height=2.4)
    plots.histogram(axes[0], groups, "score")
    counts = ", ".join(f"{len(values)} {name}" for name, values in groups.items())
    return Markup(plots.inline(figure, f"{defense} on {run}: scores of {counts} clips"))


def _plain(name: str) -> str:
    """A name on one line, without characters that a drawing cannot show."""
    return re.sub(r"[\s\x00-\x1f\x7f]+", " ", name).strip() or "(no name)"
