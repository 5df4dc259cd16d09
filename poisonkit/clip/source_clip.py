"""A source clip, read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from poisonkit.errors import BrokenClip
from poisonkit.media.audio import AudioInfo
from poisonkit.media.audio import read as read_audio
from poisonkit.media.video import Held, VideoInfo, examine
from poisonkit.text import argument


class Clip:
    """A source clip that is read once, though it may be written twice: without the trigger, and then with it.

    `control`: the file without the trigger, once it is written; `control_back`: what was measured of its frames.
    """

    def __init__(self, path: Path, copies: int = 1) -> None:
        self.path = path
        self.control: Path | None = None
        self.control_back: dict[int, np.ndarray] = {}
        self._copies = copies
        self._pictures: tuple[VideoInfo, Held] | None = None
        self._sound: tuple[AudioInfo, np.ndarray] | None = None

    def pictures(self, *, hold: bool) -> tuple[VideoInfo, Held]:
        """What the pictures are, and the frames, where they are to be held."""
        if self._pictures is None:
            held = Held(self.path, self._copies)
            self._pictures = examine(self.path, held if hold else None), held
        return self._pictures

    def sound(self) -> tuple[AudioInfo, np.ndarray]:
        """What the sound is, and all of it, float32 (C, N); it must not be written to."""
        if self._sound is None:
            self._sound = read_audio(self.path)
        if self._sound is None:
            raise BrokenClip(f"{self.path} holds no sound", f"leave it out by {argument('no_audio', 'skip')}")
        return self._sound
