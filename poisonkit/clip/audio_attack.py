"""An audio trigger on one clip: where it lies, what was drawn for it, and the audio that comes of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from poisonkit import seeding
from poisonkit.clip.sample import AudioRecord
from poisonkit.clip.video_attack import listed
from poisonkit.media.audio import AudioInfo, seconds_of
from poisonkit.plan.job import Context, Job
from poisonkit.triggers import AudioTrigger, find_audio
from poisonkit.triggers._footage import Drawn


class AudioAttack:
    """A trigger resolved on one clip's audio. `trigger` is None for re-encoding only.

    `span`: the samples that the trigger may change, half-open; all of them without one.
    """

    def __init__(self, job: Job, context: Context, info: AudioInfo) -> None:
        self.trigger: AudioTrigger | None = None
        self.drawn: Drawn = {}
        self.span = (0, info.num_samples)
        self._info = info
        attack = context.attack("audio")
        if attack is None or job.action != "trigger":
            return
        self.trigger = find_audio(attack.name).build(attack.mode, attack.params)
        owner = seeding.SHARED if attack.mode == "static" else job.clip_id
        rng = seeding.generator(context.seed, owner, f"draw {attack.name}")
        self.drawn = self.trigger.draw(info.seconds, rng)
        self.span = self.trigger.span(info.num_samples)

    def apply(self, samples: np.ndarray) -> np.ndarray:
        """The audio with the trigger, float32 (C, N) as it came."""
        return samples if self.trigger is None else self.trigger(samples, self._info.rate, self.drawn)

    def blocks(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """The same in blocks, one after the other."""
        return iter([samples]) if self.trigger is None else self.trigger.blocks(samples, self._info.rate, self.drawn)

    def record(self) -> AudioRecord:
        """Span and draws, for the manifest."""
        if self.trigger is None:
            return AudioRecord()
        first, last = (seconds_of(place, self._info.rate) for place in self.span)
        return AudioRecord([(first, last)], {name: listed(values) for name, values in self.drawn.items()})
