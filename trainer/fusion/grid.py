"""Every video run fused with every audio run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trainer.errors import RunError
from trainer.fusion.baseline import Baseline
from trainer.fusion.fuse import _check_folder, _plan, fuse, load, name_of
from trainer.fusion.run_pair import join
from trainer.fusion.scorers import Average, Mode
from trainer.progress import Progress
from trainer.runs import loaded_run
from trainer.runs.folder import Metrics


def grid(
    videos: Sequence[Path],
    audios: Sequence[Path],
    mode: Mode,
    average: Average,
    out: Path | None,
    progress: Progress,
    baseline: Path | None = None,
) -> list[Metrics]:
    """Every run on video with every run on audio; what each network makes of its clips is computed once.

    `out`: the folder of a single pair, or that which holds a folder for each; `runs` without it. `baseline`: a fused
    model of clean runs, whose ASR on the same clips is measured as well; in a grid the clean pair is that without being
    named. Raises `RunError`, before anything is computed, for runs that do not fit and for such a baseline.
    """
    for folders in (videos, audios):
        names = [folder.resolve().name for folder in folders]
        if len(set(names)) < len(names):
            raise RunError(
                f"two runs are named {max(names, key=names.count)!r}; their fused models would be, too", "rename one"
            )
    single = len(videos) == len(audios) == 1
    seeing = [loaded_run.load(folder) for folder in videos]
    hearing = [loaded_run.load(folder) for folder in audios]
    planned = []
    for video in seeing:  # all of them first: a pair that does not fit shall not be found after hours
        for audio in hearing:
            pair = join(video, audio)
            own = (out or Path("runs")) / name_of(video.folder, audio.folder, mode, average)
            folder = out if single and out else own
            _check_folder(folder, _plan(video, audio, mode, average))
            planned.append((pair, folder))
    clean = None
    if baseline is not None:
        clean = Baseline(baseline, *load(baseline))
        for pair, _ in planned:
            if clean.pair.target is not None or not clean.suits(pair, mode, average):
                raise RunError(
                    f"{baseline} is no baseline of {pair.video.folder} with {pair.audio.folder}",
                    "it must be fused alike, of clean runs of the same models, presets, views and classes",
                )
    made: dict[Path, Metrics] = {}
    for pair, folder in sorted(planned, key=lambda item: item[0].target is not None):
        made[folder], fused = fuse(pair, mode, average, folder, progress, clean)
        if clean is None and pair.target is None:
            found = Baseline(folder, pair, fused)
            clean = found if all(found.suits(other, mode, average) for other, _ in planned) else None
    return [made[folder] for _, folder in planned]
