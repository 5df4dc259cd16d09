"""Table 7: fused models, what each modality does alone and both together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from trainer.errors import ManifestGoneError, RunError
from trainer.evaluation import compare
from trainer.evaluation.compare import Difference
from trainer.paper import found, theirs
from trainer.paper.cases import IMAGE, NATURAL, SOUND
from trainer.paper.defended import together
from trainer.paper.found import CLEAN
from trainer.paper.sheet import Sheet, percent, points, printed, signed, value
from trainer.proportion import Proportion
from trainer.runs import folder as runs
from trainer.runs.folder import Fusion, ManifestStamp, Metrics

TITLE = "Table 7: audio-visual attacks"


class FusedRow(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of cases fused, seeds pooled; `alone`: the ASR with the trigger in one modality.

    `cda_difference`: to the clean pair of the same seeds and mode, paired by clip; `asr_clean_model`: that pair's ASR
    on the same triggered clips.
    """

    mode: str
    video: str
    audio: str
    cda: Proportion | None
    cda_difference: Difference | None
    asr: Proportion | None
    asr_all: Proportion | None
    false_target: Proportion | None
    sham_asr: Proportion | None
    asr_clean_model: Proportion | None
    video_alone: Proportion | None
    audio_alone: Proportion | None
    seeds: list[int]
    runs: list[str]

    @property
    def floors(self) -> list[Proportion]:
        """What lies under the ASR, as far as it was measured."""
        return [floor for floor in (self.false_target, self.sham_asr, self.asr_clean_model) if floor is not None]


Made = list[tuple[Path, Metrics]]
"""Fused models of one kind, a seed each, with their figures."""
Kind = tuple[str, str, str]
"""Mode of fusion, attack on the video, attack on the audio."""


def rows_of(folder: Path) -> list[FusedRow]:
    """The fused models of a folder, in the order of table 7; what an attack is, the parts' manifests tell.

    A model is left out, and said to be, where the manifest of a part is gone.
    """
    groups = _groups([(path, runs.read_metrics(path.parent)) for path in sorted(folder.glob("*/metrics.json"))])
    order = {name: k for k, name in enumerate((CLEAN, *IMAGE, *NATURAL, *SOUND))}
    keys = sorted(groups, key=lambda key: (key[0] != "late", order.get(key[1], 99), order.get(key[2], 99)))
    return [_row(key, groups[key], groups.get((key[0], CLEAN, CLEAN), [])) for key in keys]


def _fusion_of(metrics: Metrics) -> Fusion | None:
    """How a model was fused; None where it was not, or from probabilities, which the paper does not do."""
    fusion = metrics.fusion
    return None if fusion is None or fusion.average == "probabilities" else fusion


def _groups(every: Made) -> dict[Kind, Made]:
    """The fused models with standard attacks on the lowest target, by kind."""
    lowest = min((m.target for _, m in every if m.fusion is not None and m.target is not None), default=None)
    cases = _cases(fusion for _, metrics in every if (fusion := _fusion_of(metrics)) is not None)
    groups: dict[Kind, Made] = {}
    lost: dict[Path, ManifestStamp] = {}
    for path, metrics in every:
        if (fusion := _fusion_of(metrics)) is None:
            continue
        stamps = (fusion.video.manifest, fusion.audio.manifest)
        gone = next((stamp for stamp in stamps if stamp not in cases), None)
        if gone is not None:
            lost[path.parent] = gone
            continue
        video, audio = (cases[stamp] for stamp in stamps)
        standard = video.is_standard and audio.is_standard and video.mode in ("", "dynamic")
        if standard and metrics.target in (None, lowest):
            groups.setdefault((fusion.mode, video.attack, audio.attack), []).append((path.parent, metrics))
    found.say_left_out(lost)
    return groups


def _cases(fusions: Iterable[Fusion]) -> dict[ManifestStamp, found.Case]:
    """What the parts' manifests say of their attacks, each read once; those that are gone are not in it."""
    cases: dict[ManifestStamp, found.Case] = {}
    for stamp in {part.manifest for fusion in fusions for part in (fusion.video, fusion.audio)}:
        with contextlib.suppress(ManifestGoneError):
            cases[stamp] = found.case_of(found.details_of(stamp))
    return cases


def _row(kind: Kind, made: Made, clean: Made) -> FusedRow:
    """One row: models of a kind beside the clean ones of the same seeds, where these are there."""
    mode, video, audio = kind
    folders = [path for path, _ in made]
    figures = compare.pool(folders).figures
    paired = (video, audio) != (CLEAN, CLEAN) and [m.seed for _, m in clean] == [m.seed for _, m in made]
    beside = zip(made, clean, strict=True) if paired else []
    scored = [place for (_, m), (base, _) in beside if (place := found.evaluation(base, m.manifest, m.views))]
    fusions = [m.fusion for _, m in made if m.fusion] if CLEAN not in (video, audio) else []
    return FusedRow(
        mode=mode,
        video=video,
        audio=audio,
        cda=figures.cda,
        cda_difference=compare.compare(folders, [path for path, _ in clean]).cda_difference if paired else None,
        asr=figures.asr,
        asr_all=figures.asr_all,
        false_target=figures.false_target,
        sham_asr=figures.sham_asr,
        asr_clean_model=compare.pool(scored).figures.asr if scored else None,
        video_alone=together([fusion.asr_video for fusion in fusions]) if fusions else None,
        audio_alone=together([fusion.asr_audio for fusion in fusions]) if fusions else None,
        seeds=[m.seed for _, m in made],
        runs=[str(path) for path in folders],
    )


def table(folder: Path) -> tuple[Sheet, list[msgspec.Struct]]:
    """The table and its rows as structs; raises `RunError` when the folder holds no fused model."""
    rows = rows_of(folder)
    if not rows:
        raise RunError(f"{folder} holds no fused model for table 7", "make them with `make table7`")
    cells = []
    for row in rows:
        paper = theirs.fused(row.mode, row.video, row.audio)
        difference = None if paper.asr is None or row.asr_all is None else 100 * row.asr_all.value - paper.asr
        cells.append(
            [
                row.mode,
                row.video,
                row.audio,
                percent(row.cda),
                points(row.cda_difference),
                percent(row.asr),
                value(row.video_alone),
                value(row.audio_alone),
                value(row.false_target),
                value(row.sham_asr),
                value(row.asr_clean_model),
                printed(paper.cda),
                printed(paper.asr),
                signed(difference),
            ]
        )
    headings = (
        "fusion",
        "video",
        "audio",
        "CDA",
        "CDA − clean pair, paired",
        "ASR",
        "ASR, video alone",
        "ASR, audio alone",
        "false target",
        "sham ASR",
        "ASR, clean pair",
        "paper: CDA",
        "paper: ASR",
        "ASR (all) − paper's",
    )
    notes = [
        "percent, with 95 % intervals and counts; attacks on video are dynamic, those on audio static",
        "false target, sham ASR and the clean pair's ASR on the same triggered clips are the floors under the ASR",
        "alone: the same model where that modality alone carries its trigger",
        "paper: Kinetics-Sounds, I3D and ResNet-18",
    ]
    return Sheet(TITLE, headings, cells, notes, (0, 1, 2, 3, 5, 10, 12)), list(rows)
