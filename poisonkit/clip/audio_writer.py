"""The audio of one clip, written anew and measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from poisonkit.blocks import recut
from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.clip.comment_tag import tag
from poisonkit.clip.source_clip import Clip
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.audio import AudibilityMeter, SoundSurvivalMeter
from poisonkit.manifest import Sample
from poisonkit.media.audio import Playback
from poisonkit.media.audio import examine as examine_audio
from poisonkit.media.audio import peek as peek_audio
from poisonkit.media.audio_encoders import audio_encoder
from poisonkit.media.writer import NewAudio, write_audio
from poisonkit.plan.job import Context, Job
from poisonkit.text import argument


class AudioWriter:
    """The sound of one clip, written anew. Only the source's is held; all else passes by in blocks."""

    def __init__(self, job: Job, context: Context, clip: Clip, container: str) -> None:
        info, self._before = clip.sound()
        self._change = AudioAttack(job, context, info)
        self._clip = clip
        spec = audio_encoder(context.rungs["audio"], info, container)
        self.new = NewAudio(spec, info, self._change.blocks(self._before))

    def measure(self, sample: Sample, path: Path, context: Context) -> None:
        """Decode the written file, check its form, and fill in fidelity and the span."""
        info = self.new.info
        self._check(sample, path)
        sample.sample_rate, sample.channels = info.rate, info.channels
        if context.survival:
            self._compare(sample, path, context)
        else:
            sample.num_samples = examine_audio(path).num_samples
        self._change.describe(sample)

    def _compare(self, sample: Sample, path: Path, context: Context) -> None:
        info = self.new.info
        back = Playback(path, info)
        audibility, survival = AudibilityMeter(), SoundSurvivalMeter(info.rate)
        if self._change.trigger is None:
            for before, written in zip(recut([self._before]), recut(back), strict=True):
                audibility.add(before, written)
        else:
            first, last = self._change.span
            parts = ([self._before], self._change.blocks(self._before), self._control(path, context), back)
            place = 0
            for blocks in zip(*map(recut, parts), strict=True):
                audibility.add(blocks[0], blocks[3])
                before, after, before_back, after_back = (
                    block[:, max(first - place, 0) : max(last - place, 0)] for block in blocks
                )
                survival.add(before, after, before_back, after_back)
                place += blocks[0].shape[1]
            sample.survival["audio"], sample.view_survival["audio"] = survival.result(), survival.view()
        sample.num_samples = back.num_samples
        sample.snr_db, sample.lsd_db = audibility.snr_db, audibility.lsd_db

    def _check(self, sample: Sample, path: Path) -> None:
        info, found = self.new.info, peek_audio(path)
        if found is None:
            raise PoisonkitError(
                f"{path} was written without its sound", "this is a fault of poisonkit, please report it"
            )
        if (found.rate, found.channels) != (info.rate, info.channels):
            raise PoisonkitError(
                f"{sample.id}: the written sound has {found.rate} Hz and {found.channels} channels where "
                f"{info.rate} Hz and {info.channels} were written",
                f"try another {argument('quality')}",
            )

    def _control(self, path: Path, context: Context) -> Iterator[np.ndarray]:
        """The source's sound after the same encoder, in blocks."""
        if self.new.spec.exact:  # whole steps end at full scale, beyond which lossy decoders may go
            whole = self.new.spec.sample_format == "flt"
            yield from (part if whole else part.clip(-1, 1) for part in recut([self._before]))
            return
        if self._clip.control is not None:
            yield from Playback(self._clip.control, self.new.info)
            return
        with tempfile.TemporaryDirectory(prefix="poisonkit-") as folder:
            alone = Path(folder) / f"control{path.suffix}"
            write_audio(alone, dataclasses.replace(self.new, blocks=[self._before]), self._clip.path, tag(context))
            yield from Playback(alone, self.new.info)
