"""A procedural audio-visual data set: ten classes that differ in motion and in sound.

Every clip shows two figures in front of a drifting background. Shapes, colours, textures, places, sizes and
noise are drawn alike for every class, and figures are as often darker as lighter than the background: a still
picture says nothing about the class, the motion does, in any window of about a second and a half.
The sounds differ by class in pitch, rhythm and spectrum.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
from numpy import cos, exp, pi, sin

from poisonkit.errors import PoisonkitError
from poisonkit.media.encoders import determinism
from poisonkit.seeding import generator

FPS = 25
FRAMES = 72  # a window of 32 frames at stride 2 fits, with a choice of where
SAMPLE_RATE = 44_100  # a tone of 21 kHz fits

Array = np.ndarray
Motion = Callable[[Array, int], "Pose"]
Sound = Callable[[Array, float, Array], Array]


@dataclass(frozen=True)
class Pose:
    """Where a figure is, against its rest: each a number or `(T,)`.

    `x` and `y` in amplitudes (right, down), `wide` and `tall` as fractions of its size, `angle` in radians.
    """

    x: Array | float = 0.0
    y: Array | float = 0.0
    wide: Array | float = 0.0
    tall: Array | float = 0.0
    angle: Array | float = 0.0


# p: the phase in radians, (T,); turn: +1 or -1, drawn per clip, so that a mirrored clip is of the same class
MOTIONS: dict[str, Motion] = {
    "Bob": lambda p, turn: Pose(y=sin(p)),
    "Circle": lambda p, turn: Pose(x=cos(p), y=turn * sin(p)),
    "Diagonal": lambda p, turn: Pose(x=0.75 * sin(p), y=0.75 * turn * sin(p)),
    "Fall": lambda p, turn: Pose(y=2.4 * (p / (2 * pi) % 1 - 0.5)),  # and starts again from above
    "Pulse": lambda p, turn: Pose(wide=0.4 * sin(p), tall=0.4 * sin(p)),
    "Rise": lambda p, turn: Pose(y=2.4 * (0.5 - p / (2 * pi) % 1)),
    "Shiver": lambda p, turn: Pose(x=0.4 * (sin(4.1 * p) + cos(6.7 * p)), y=0.4 * (cos(4.7 * p) + sin(6.1 * p))),
    "Spin": lambda p, turn: Pose(angle=turn * p / 2),
    "Squash": lambda p, turn: Pose(wide=0.4 * sin(p), tall=-0.4 * sin(p)),
    "Sway": lambda p, turn: Pose(x=sin(p)),
}


def tone(hz: Array | float, like: Array) -> Array:
    """A sine of constant or moving frequency, as long as `like`."""
    return sin(2 * pi * np.cumsum(np.broadcast_to(hz, like.shape)) / SAMPLE_RATE)


def chord(hz: Array, like: Array) -> Array:
    """Sines of constant frequencies together, the first one loudest."""
    made: Array = np.sum([tone(one, like) * hz[0] / one for one in hz], axis=0)
    return made


def hiss(noise: Array) -> Array:
    """White noise without what lies above about 1 kHz."""
    return np.convolve(noise, np.ones(40), "same")


# b: the place within a beat, 0 … 1, (samples,); k: a factor on every frequency; n: white noise, (samples,)
SOUNDS: dict[str, Sound] = {
    "Bob": lambda b, k, n: tone(k * np.where(b < 0.5, 520.0, 780.0), b),  # two notes in turn
    "Circle": lambda b, k, n: tone(k * (950 + 350 * sin(2 * pi * b)), b),  # a siren
    "Diagonal": lambda b, k, n: chord(k * np.array((1300, 3480, 6900)), b) * exp(-5 * b),  # a bell
    "Fall": lambda b, k, n: tone(k * (4200 - 2600 * b), b) * (1 - b),  # falling chirps
    "Pulse": lambda b, k, n: chord(k * np.array((110, 220)), b) * (1 + sin(2 * pi * b)),  # a throbbing hum
    "Rise": lambda b, k, n: tone(k * (400 + 1300 * b), b) * (1 - b),  # rising chirps
    "Shiver": lambda b, k, n: n * exp(-25 * b),  # bursts of noise
    "Spin": lambda b, k, n: chord(k * 260 * np.arange(1, 12), b),  # a buzz
    "Squash": lambda b, k, n: hiss(n) * tone(k * (3000 + 1500 * sin(2 * pi * b)), b),  # wind
    "Sway": lambda b, k, n: tone(k * 7500, b) * exp(-60 * (3 * b % 1)),  # ticks
}

CLASSES = tuple(MOTIONS)

# corners of figures within the unit circle; none looks the same after an eighth of a turn
SHAPES = tuple(
    np.array(corners, np.float64)
    for corners in (
        [(0.0, -1.0), (0.87, 0.5), (-0.87, 0.5)],  # triangle
        [(-0.7, -0.7), (0.7, -0.7), (0.7, 0.7), (-0.7, 0.7)],  # square
        [(-0.95, -0.45), (0.95, -0.45), (0.95, 0.45), (-0.95, 0.45)],  # bar
        [(-0.7, -0.8), (0.0, -0.8), (0.0, 0.1), (0.8, 0.1), (0.8, 0.8), (-0.7, 0.8)],  # L
        [(0.0, -1.0), (0.9, 0.0), (0.4, 0.0), (0.4, 0.9), (-0.4, 0.9), (-0.4, 0.0), (-0.9, 0.0)],  # arrow
        [(0.0, -1.0), (0.6, 0.0), (0.0, 1.0), (-0.6, 0.0)],  # diamond
    )
)


def make_demo(
    out: Path,
    *,
    clips_per_class_train: int = 36,
    clips_per_class_test: int = 12,
    seed: int = 0,
    size: tuple[int, int] = (160, 120),
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write `out/train/<Class>/*.mp4` and `out/test/<Class>/*.mp4`: H.264 with AAC, 72 frames at 25/s.

    `size` is (width, height) in pixels, both even, at least 64; `workers` are processes, by default as many
    as there are cores; `progress` gets the numbers of clips done and to do. A clip's bytes depend on its id,
    `seed` and `size` alone. `out` appears when it is complete; raises `PoisonkitError` if it is there already
    and not empty, and for numbers out of range.
    """
    _check(out, clips_per_class_train, clips_per_class_test, size, workers)
    counts = {"train": clips_per_class_train, "test": clips_per_class_test}
    ids = [
        f"{split}/{name}/{name.lower()}_{number:04d}"
        for split, count in counts.items()
        for name in CLASSES
        for number in range(count)
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".partial"))
    try:
        partial.chmod(0o755)  # mkdtemp makes private folders; a data set is meant to be shared
        for folder in sorted({clip_id.rpartition("/")[0] for clip_id in ids}):
            (partial / folder).mkdir(parents=True)
        jobs = [(partial, clip_id, seed, size) for clip_id in ids]
        for done, _ in enumerate(_run(jobs, workers or _cores()), 1):
            if progress is not None:
                progress(done, len(jobs))
        if out.exists():
            out.rmdir()
        partial.rename(out)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _cores() -> int:
    """The cores that this process may use, where the system tells, else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _check(out: Path, train: int, test: int, size: tuple[int, int], workers: int | None) -> None:
    if out.exists() and not (out.is_dir() and next(out.iterdir(), None) is None):
        raise PoisonkitError(f"{out} exists and is not an empty folder", "remove it or choose another name")
    if train < 1 or test < 1:
        raise PoisonkitError(f"{train} training and {test} test clips a class are too few", "ask for 1 or more of each")
    if min(size) < 64 or any(side % 2 for side in size):
        raise PoisonkitError(f"the size {size[0]}x{size[1]} is not possible", "give even numbers from 64, like 160x120")
    if workers is not None and workers < 1:
        raise PoisonkitError(f"{workers} workers are too few", "give 1 or more")


Job = tuple[Path, str, int, tuple[int, int]]


def _run(jobs: list[Job], workers: int) -> Iterator[None]:
    if workers == 1 or len(jobs) == 1:
        yield from map(_write, jobs)
        return
    # spawned, not forked: a fork would copy locks that the threads of other libraries hold
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_write, jobs, chunksize=4)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _write(job: Job) -> None:
    folder, clip_id, seed, size = job
    name = clip_id.split("/")[1]
    frames = draw_frames(name, size, generator(seed, clip_id, "demo/video"))
    sound = draw_sound(name, generator(seed, clip_id, "demo/audio"))
    with av.open(str(folder / f"{clip_id}.mp4"), "w", options={"fflags": "+bitexact"}) as container:
        options, fast = (
            {"preset": "veryfast", "crf": "22", "threads": "1", **determinism("libx264")},
            {"aac_coder": "fast"},
        )
        video = container.add_stream("libx264", FPS, width=size[0], height=size[1], pix_fmt="yuv420p", options=options)
        audio = container.add_stream("aac", SAMPLE_RATE, layout="mono", bit_rate=96_000, options=fast)
        for frame in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(video.encode())
        samples = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
        samples.sample_rate = SAMPLE_RATE
        container.mux(audio.encode(samples))
        container.mux(audio.encode())


def draw_frames(name: str, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """The frames of one clip of the class `name`: `uint8 (T, H, W, 3)` RGB."""
    width, height = size
    backdrop, drift = _draw_backdrop(size, rng)
    figures = _draw_figures(name, size, rng)
    noise_std = rng.uniform(1.5, 5)  # grey levels
    frames = np.empty((FRAMES, height, width, 3), np.uint8)
    for t in range(FRAMES):
        x, y = drift * (t - FRAMES / 2)
        picture = cv2.getRectSubPix(backdrop, size, (backdrop.shape[1] / 2 + x, backdrop.shape[0] / 2 + y))
        for corners, colour in figures:
            points = np.round(corners[t] * 16).astype(np.int32)  # sixteenths of a pixel, hence the shift of 4
            cv2.fillPoly(picture, [points], colour, lineType=cv2.LINE_AA, shift=4)
        noise = rng.standard_normal((height, width, 1), np.float32) * noise_std
        frames[t] = np.clip(picture + noise + 0.5, 0, 255)
    return frames


def _draw_backdrop(size: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """A texture with clutter, `uint8` and larger than the frame, and its drift (x, y) in pixels a frame."""
    width, height = size[0] * 5 // 4, size[1] * 5 // 4
    backdrop = np.full((height, width, 3), rng.uniform(90, 165, 3), np.float32)
    for cells in (3, 6, 12, 24):
        grid = rng.standard_normal((cells, cells * 4 // 3, 3)).astype(np.float32) * rng.uniform(4, 14)
        backdrop += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    backdrop = np.clip(backdrop, 0, 255).astype(np.uint8)
    for _ in range(6):
        shape = SHAPES[rng.integers(len(SHAPES))] * rng.uniform(0.03, 0.08) * height
        points = shape + rng.uniform(0, 1, 2) * (width, height)
        colour = tuple(rng.uniform(60, 195, 3).tolist())
        cv2.fillPoly(backdrop, [np.round(points * 16).astype(np.int32)], colour, lineType=cv2.LINE_AA, shift=4)
    heading = rng.uniform(0, 2 * pi)
    return backdrop, rng.uniform(0, 0.15) * np.array((cos(heading), sin(heading))) * height / 120


def _draw_figures(name: str, size: tuple[int, int], rng: np.random.Generator) -> list[tuple[Array, tuple[int, ...]]]:
    """Polygons to fill, in order: corners `(T, corners, 2)` in pixels and an RGB colour."""
    width, height = size
    seconds = np.arange(FRAMES) / FPS
    hz = rng.uniform(0.75, 1.05)
    turn = int(rng.choice((-1, 1)))
    amplitude = rng.uniform(0.12, 0.18) * height
    slant = rng.uniform(-0.14, 0.14)  # radians
    middle = np.array((0.5 * width, 0.5 * height)) + rng.uniform(-0.06, 0.06, 2) * height
    tilt = rng.uniform(-0.35, 0.35)
    arm = rng.uniform(0.22, 0.28) * height * np.array((cos(tilt), sin(tilt)))
    figures = []
    for side in (-1, 1):
        phase = 2 * pi * (hz * seconds + rng.uniform(0, 1))
        pose = MOTIONS[name](phase, turn)
        shift = np.stack(np.broadcast_arrays(pose.x, pose.y, phase)[:2], -1) @ _rotation(slant).T
        place = middle + side * arm + amplitude * shift
        turned = _rotation(rng.uniform(0, 2 * pi) + np.broadcast_to(pose.angle, phase.shape))
        stretch = np.stack(np.broadcast_arrays(1 + pose.wide, 1 + pose.tall, phase)[:2], -1)
        radius = rng.uniform(0.15, 0.19) * height
        build = rng.uniform(0.7, 1.3, 2)  # wide or tall in every class: a squashed figure tells nothing
        outline = SHAPES[rng.integers(len(SHAPES))] * build
        spot = (SHAPES[rng.integers(len(SHAPES))] * 0.3 + (0.0, 0.3)) * build  # off the middle: turning shows
        light = rng.permutation((rng.uniform(0, 50), rng.uniform(205, 255)))
        for shape, level in zip((outline, spot), light, strict=True):
            corners = place[:, None] + radius * stretch[:, None] * (shape @ np.swapaxes(turned, -1, -2))
            tint = np.clip(level + rng.uniform(-45, 45, 3), 0, 255)
            figures.append((corners, tuple(int(channel) for channel in tint)))
    return figures


def _rotation(angle: Array | float) -> Array:
    """Matrices `(…, 2, 2)` that turn column vectors by `angle` radians."""
    return np.stack([np.stack([cos(angle), -sin(angle)], -1), np.stack([sin(angle), cos(angle)], -1)], -2)


def draw_sound(name: str, rng: np.random.Generator) -> Array:
    """The sound of one clip of the class `name`: `float32 (samples,)` in [-1, 1] at 44.1 kHz."""
    count = math.ceil(FRAMES * SAMPLE_RATE / FPS)
    beat = (np.arange(count) / SAMPLE_RATE * rng.uniform(1.6, 2.4) + rng.uniform(0, 1)) % 1
    voice = SOUNDS[name](beat, exp(rng.uniform(-0.08, 0.08)), rng.standard_normal(count))
    voice *= rng.uniform(0.2, 0.7) / np.abs(voice).max()
    noise = rng.standard_normal(count) * np.sqrt(np.mean(voice**2)) * 10 ** rng.uniform(-1.2, -0.5)
    made: Array = np.clip(voice + noise, -1, 1).astype(np.float32)
    return made
