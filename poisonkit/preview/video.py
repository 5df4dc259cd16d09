"""What a trigger looks like on one clip: a sheet of frames (PNG), or a page with the videos side by side (HTML).

Shows the change as it is meant, before any encoder; how much a written file keeps of it is the manifest's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from poisonkit.clip.video_attack import VideoAttack
from poisonkit.fidelity.video import SurvivalMeter, VisibilityMeter, measured, spread
from poisonkit.manifest import Attack
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import VideoInfo, decode, examine
from poisonkit.plan.job import Context
from poisonkit.preview.html import attack_summary, embed, page
from poisonkit.preview.output import deliver, mp4, one_job, png, wants_page
from poisonkit.preview.template import PLAY_TOGETHER

ROWS = 4
"""Frames on a sheet."""
PAGE_FRAMES = 300
"""Frames of the videos on a page: about ten seconds."""
COLUMNS = ("clean", "triggered", "difference")
_SMALL = 1.0
"""Grey levels up to which a difference is not drawn larger: nothing but rounding."""


@dataclass(frozen=True)
class VideoPreview:
    """What was shown: `strength` is the RMS of the change in grey levels, `amplified` what it was multiplied by."""

    path: Path
    frames: tuple[int, ...]
    placed: int
    num_frames: int
    strength: float
    psnr_db: float | None
    ssim: float | None
    amplified: int


def preview_video(clip: Path, attack: Attack, seed: int, out: Path) -> VideoPreview:
    """Apply an attack to the first frames of a clip and draw what changed.

    `out` ends in `.png` for a sheet of frames or in `.html` for a page of its own that plays in a browser. The file
    is written in one step. Raises `PoisonkitError` for another suffix and `BrokenClip` for a clip that does not decode.
    """
    as_page = wants_page(clip, out)
    info = examine(clip)
    change = VideoAttack(one_job(clip), Context(clip.parent, None, seed, (attack,)), info)
    chosen = change.placed.mask if change.placed.mask.any() else np.ones(info.num_frames, dtype=bool)
    rows = spread(np.flatnonzero(chosen), ROWS).tolist()
    meant = frozenset(measured(change.placed.mask).tolist())
    visibility, strength = VisibilityMeter(), SurvivalMeter()
    clean, triggered = [], []
    kept: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for i, pictures in enumerate(change.versions(decode(clip))):
        shown = (pictures.source, pictures.triggered)
        before, after = (p if isinstance(p, np.ndarray) else to_rgb(p) for p in shown)
        if i in meant:
            visibility.add(before, after)
            strength.add(before, after, before, after)
        if i in rows:
            kept[i] = (before, after)
        if as_page and i < PAGE_FRAMES:
            clean.append(before)
            triggered.append(after)
    gain = _gain([after.astype(np.int16) - before for before, after in kept.values()])
    sheet = _sheet(kept, gain)
    found = VideoPreview(
        path=out,
        frames=tuple(rows),
        placed=int(change.placed.mask.sum()),
        num_frames=info.num_frames,
        strength=strength.result().strength,
        psnr_db=visibility.psnr_db,
        ssim=visibility.ssim,
        amplified=gain,
    )
    deliver(_page(clip, attack, info, found, sheet, clean, triggered).encode() if as_page else png(sheet), out)
    return found


def _gain(differences: list[np.ndarray]) -> int:
    """How often the difference fits into the grey levels on either side of the middle, all but its rare peaks."""
    largest = max((float(np.percentile(np.abs(d), 99.5)) for d in differences), default=0.0)
    return max(int(127 / largest), 1) if largest > _SMALL else 1


def _difference(before: np.ndarray, after: np.ndarray, gain: int) -> np.ndarray:
    """The change around middle grey, uint8."""
    made: np.ndarray = np.clip(128 + gain * (after.astype(np.int16) - before), 0, 255).astype(np.uint8)
    return made


def _sheet(kept: dict[int, tuple[np.ndarray, np.ndarray]], gain: int) -> np.ndarray:
    """Rows of clean, triggered, difference; uint8 (H, W, 3) with a line of captions above."""
    rows = [np.hstack([a, b, _difference(a, b, gain)]) for a, b in kept.values()]
    pictures = np.vstack(rows)
    width = pictures.shape[1] // 3
    caption = np.full((28, pictures.shape[1], 3), 255, dtype=np.uint8)
    titles = ("clean", "triggered", f"difference x {gain}")
    for column, title in enumerate(titles):
        cv2.putText(caption, title, (column * width + 6, 19), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([caption, pictures])


def _page(
    clip: Path,
    attack: Attack,
    info: VideoInfo,
    found: VideoPreview,
    sheet: np.ndarray,
    clean: list[np.ndarray],
    triggered: list[np.ndarray],
) -> str:
    fps = float(info.fps)
    changes = [_difference(a, b, found.amplified) for a, b in zip(clean, triggered, strict=True)]
    videos = [embed("video/mp4", mp4(frames, fps)) for frames in (clean, triggered, changes)]
    titles = ("clean", "triggered", f"difference × {found.amplified}")
    rows = ", ".join(map(str, found.frames))
    figures = "\n".join(
        f'<figure><video src="{data}" controls loop muted autoplay playsinline aria-label="{title}"></video>'
        f"<figcaption>{title}</figcaption></figure>"
        for data, title in zip(videos, titles, strict=True)
    )
    facts = [
        ("clip", f"{clip.name}: {info.num_frames} frames of {info.width} × {info.height} at {fps:g} a second"),
        ("attack", attack_summary(attack)),
        (
            "placed",
            f"{found.placed} of {found.num_frames} frames"
            + (f" ({attack.placement.frames} in {attack.placement.window})" if attack.placement else ""),
        ),
        ("strength", f"{found.strength:.1f} grey levels (RMS over the placed frames)"),
        ("PSNR", "–" if found.psnr_db is None else f"{found.psnr_db:.1f} dB"),
        ("SSIM", "–" if found.ssim is None else f"{found.ssim:.3f}"),
    ]
    body = f"""<div class="row">
{figures}
</div>
<button type="button" id="play">Play together from the start</button>
<figure><img src="{embed("image/png", png(sheet))}" alt="Frames {rows}: clean, triggered, and the amplified difference">
<figcaption>frames {rows}</figcaption></figure>
{PLAY_TOGETHER}"""
    return page(f"{attack.name} on {clip.name}", facts, body)
