"""Videos written and read in other ways."""

from __future__ import annotations

import subprocess
from pathlib import Path

import cv2
import imageio_ffmpeg
import numpy as np

from poisonkit.media.colour import to_rgb
from poisonkit.media.encoders import container_of, encoder
from poisonkit.media.video import decode, examine
from poisonkit.media.writer import NewVideo, Writer


def rewrite(source: Path, rung: str, target: Path, frames: np.ndarray | None = None) -> Path:
    info = examine(source)
    spec = encoder(rung, info, container_of(source.name))  # type: ignore[arg-type]
    writer = Writer(target, container_of(source.name), source, "a tag", NewVideo(spec, info), None)
    for i, frame in enumerate(decode(source)):
        writer.write(frame if frames is None else frames[i])
    writer.close()
    return target


def pixels(path: Path) -> np.ndarray:
    return np.stack([to_rgb(frame) for frame in decode(path)])


def opencv_pixels(path: Path) -> np.ndarray:
    capture, frames = cv2.VideoCapture(str(path)), []
    while (step := capture.read())[0]:
        frames.append(step[1][..., ::-1])
    return np.stack(frames)


def ffmpeg_pixels(path: Path, height: int, width: int) -> np.ndarray:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-fps_mode", "passthrough"]
    raw = subprocess.run([*command, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
