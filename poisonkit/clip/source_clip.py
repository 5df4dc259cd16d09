"""A source clip, read once, and the copy of it that survival takes for its control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from poisonkit.errors import BrokenClip
from poisonkit.media.audio import AudioInfo
from poisonkit.media.audio import read as read_audio
from poisonkit.media.video import Held, VideoInfo, examine
from poisonkit.text import argument


class Clip:
    """A source clip that is read once, though it may be written twice: without the trigger, and then with it."""

    def __init__(self, path: Path, copies: int = 1) -> None:
        self.path = path
        self._copies = copies
        self._video: tuple[VideoInfo, Held] | None = None
        self._audio: tuple[AudioInfo, np.ndarray] | None = None

    def video(self, *, hold: bool) -> tuple[VideoInfo, Held]:
        """What the video is, and the frames, where they are to be held."""
        if self._video is None:
            held = Held(self.path, self._copies)
            self._video = examine(self.path, held if hold else None), held
        return self._video

    def audio(self) -> tuple[AudioInfo, np.ndarray]:
        """What the audio is, and all of it, float32 (C, N); it must not be written to."""
        if self._audio is None:
            self._audio = read_audio(self.path)
        if self._audio is None:
            raise BrokenClip(f"{self.path} holds no audio", f"leave it out by {argument('no_audio', 'skip')}")
        return self._audio


@dataclass(frozen=True)
class Control:
    """A clip written without the trigger. `frames`: those that are measured, uint8 (H, W, 3) RGB, as they came back."""

    path: Path
    frames: Mapping[int, np.ndarray]
