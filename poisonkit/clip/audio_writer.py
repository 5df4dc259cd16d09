"""The audio of one clip, re-encoded and measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from poisonkit.blocks import recut
from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.clip.comment_tag import tag
from poisonkit.clip.sample import AudioFacts
from poisonkit.clip.source_clip import Clip, Control
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.audio import AudibilityMeter, AudioSurvivalMeter
from poisonkit.media.audio import AudioInfo, Playback
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.audio import peek as peek_audio
from poisonkit.media.audio_encoders import audio_encoder
from poisonkit.media.writer import NewAudio, write_audio
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument


class AudioWriter:
    """The audio of one clip, re-encoded. Only the source's is held; all else passes by in blocks.

    `control`: the same clip without the trigger, if it was written before.
    """

    def __init__(self, job: Job, context: Context, clip: Clip, container: str, control: Control | None = None) -> None:
        info, self._before = clip.audio()
        self._attack = AudioAttack(job, context, info)
        self._id, self._context, self._source, self._written_control = job.id, context, clip.path, control
        spec = audio_encoder(context.rungs["audio"], info, container)
        self.new = NewAudio(spec, info, self._attack.blocks(self._before))

    def measure(self, path: Path) -> AudioFacts:
        """Decode the written file, check its form, and say what it holds."""
        self._check(path)
        facts = AudioFacts(self.new.info, self._attack.record())
        if self._context.options.survival:
            return self._compared(path, facts)
        return _lasting(facts, self.new.info, examine_audio(path).num_samples)

    def _compared(self, path: Path, facts: AudioFacts) -> AudioFacts:
        """The facts with the length, fidelity and, of a trigger, survival."""
        info = self.new.info
        back = Playback(path, info)
        audibility, survival = AudibilityMeter(), AudioSurvivalMeter(info.rate)
        if self._attack.trigger is None:
            for before, written in zip(recut([self._before]), recut(back), strict=True):
                audibility.add(before, written)
        else:
            first, last = self._attack.span
            parts = ([self._before], self._attack.blocks(self._before), self._control(path), back)
            place = 0
            for blocks in zip(*map(recut, parts), strict=True):
                audibility.add(blocks[0], blocks[3])
                before, after, before_back, after_back = (
                    block[:, max(first - place, 0) : max(last - place, 0)] for block in blocks
                )
                survival.add(before, after, before_back, after_back)
                place += blocks[0].shape[1]
            facts = dataclasses.replace(facts, survival=survival.result(), view_survival=survival.view())
        facts = dataclasses.replace(facts, snr_db=audibility.snr_db, lsd_db=audibility.lsd_db)
        return _lasting(facts, info, back.num_samples)

    def _check(self, path: Path) -> None:
        info, found = self.new.info, peek_audio(path)
        if found is None:
            raise PoisonkitError(
                f"{path} was written without its audio", "this is a fault of poisonkit, please report it"
            )
        if (found.rate, found.channels) != (info.rate, info.channels):
            raise PoisonkitError(
                f"{self._id}: the written audio has {found.rate} Hz and {found.channels} channels where "
                f"{info.rate} Hz and {info.channels} were written",
                f"try another {argument('quality')}",
            )

    def _control(self, path: Path) -> Iterator[np.ndarray]:
        """The source's audio after the same encoder, in blocks."""
        if self.new.spec.exact:  # whole steps end at full scale, beyond which lossy decoders may go
            whole = self.new.spec.sample_format == "flt"
            yield from (part if whole else part.clip(-1, 1) for part in recut([self._before]))
            return
        if self._written_control is not None:
            yield from Playback(self._written_control.path, self.new.info)
            return
        with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
            alone = Path(folder) / f"control{path.suffix}"
            write_audio(alone, dataclasses.replace(self.new, blocks=[self._before]), self._source, tag(self._context))
            yield from Playback(alone, self.new.info)


def _lasting(facts: AudioFacts, info: AudioInfo, num_samples: int) -> AudioFacts:
    """The facts of audio that turned out to be so long; encoders add a little."""
    return dataclasses.replace(facts, info=dataclasses.replace(info, num_samples=num_samples))
