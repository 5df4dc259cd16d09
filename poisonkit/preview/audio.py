"""What a trigger does to one clip's audio: spectrograms side by side (PNG), or a page that also plays it (HTML)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import soundfile

from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.errors import PoisonkitError
from poisonkit.fidelity.audio import STEPS, power_db, snr_db
from poisonkit.manifest import Attack
from poisonkit.media import audio
from poisonkit.plan.job import Context
from poisonkit.preview.html import attack_summary, embed, page
from poisonkit.preview.output import deliver, one_job, png, wants_page

_HEIGHT, _WIDTH = 360, 440
"""Pixels of one spectrogram."""
_LEFT, _TOP, _BOTTOM = 62, 34, 34
"""Pixels for the numbers beside, above and below it."""
_WINDOW = 1024
_LOUD, _FAINT = -10.0, -100.0
"""Decibels of full scale at the bright and at the dark end."""
_MOST = 30.0
"""Decibels of difference at either end of its colours."""
_PLAYED = 30
"""Seconds of audio on a page."""


@dataclass(frozen=True)
class AudioPreview:
    """What was shown: `span` of the trigger in seconds, its `strength` as RMS in 16-bit steps, audio over it in dB."""

    path: Path
    span: tuple[float, float]
    seconds: float
    strength: float
    snr_db: float | None


def preview_audio(clip: Path, attack: Attack, seed: int, out: Path) -> AudioPreview:
    """Apply an attack to a clip's audio and draw what changed; `out` as for `preview.video.preview_video`."""
    as_page = wants_page(clip, out)
    found = audio.read(clip)
    if found is None:
        raise PoisonkitError(f"{clip} holds no audio that {attack.name} could change", "give a clip with audio")
    info, before = found
    change = AudioAttack(one_job(clip), Context(clip.parent, None, seed, (attack,)), info)
    after = change.apply(before)
    first, last = change.span
    part = (after - before)[:, first:last].astype(np.float64)
    shown = AudioPreview(
        path=out,
        span=(first / info.rate, last / info.rate),
        seconds=info.seconds,
        strength=float(STEPS * np.sqrt(np.mean(part**2))) if part.size else 0.0,
        snr_db=snr_db(before[:, first:last], after[:, first:last]),
    )
    sheet = _sheet(before, after, info.rate)
    deliver(_page(clip, attack, info, shown, sheet, before, after).encode() if as_page else png(sheet), out)
    return shown


def _sheet(before: np.ndarray, after: np.ndarray, rate: int) -> np.ndarray:
    """Spectrograms of the first channel: clean, triggered, difference; uint8 (H, W, 3) RGB."""
    hop = max(before.shape[1] // (2 * _WIDTH), 1)
    one, other = (power_db(samples[:1], _WINDOW, hop)[0].T[::-1] for samples in (before, after))
    seconds = before.shape[1] / rate
    panels = [
        _panel(_bright(one), "clean", rate, seconds),
        _panel(_bright(other), "triggered", rate, seconds),
        _panel(_diverging(other - one), f"difference, -{_MOST:.0f} (blue) to +{_MOST:.0f} dB (red)", rate, seconds),
    ]
    return np.hstack(panels)


def _bright(power: np.ndarray) -> np.ndarray:
    grey = np.clip((power - _FAINT) / (_LOUD - _FAINT) * 255, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(grey, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)


def _diverging(difference: np.ndarray) -> np.ndarray:
    """White where nothing changed, red where it got louder, blue where it got fainter."""
    fraction = np.clip(difference / _MOST, -1, 1)[..., None]
    red, blue = np.array([178, 24, 43]), np.array([33, 102, 172])
    made: np.ndarray = (255 + fraction.clip(0) * (red - 255) + (-fraction).clip(0) * (blue - 255)).astype(np.uint8)
    return made


def _panel(picture: np.ndarray, title: str, rate: int, seconds: float) -> np.ndarray:
    """A spectrogram with its title, kilohertz on the left and seconds below."""
    panel = np.full((_TOP + _HEIGHT + _BOTTOM, _LEFT + _WIDTH + 12, 3), 255, dtype=np.uint8)
    drawn = cv2.resize(picture, (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
    panel[_TOP : _TOP + _HEIGHT, _LEFT : _LEFT + _WIDTH] = drawn
    cv2.rectangle(panel, (_LEFT - 1, _TOP - 1), (_LEFT + _WIDTH, _TOP + _HEIGHT), (0, 0, 0), 1)
    _write(panel, title, _LEFT, _TOP - 12)
    top = rate / 2000
    for kilohertz in _ticks(top):
        y = round(_TOP + _HEIGHT * (1 - kilohertz / top))
        cv2.line(panel, (_LEFT - 5, y), (_LEFT - 1, y), (0, 0, 0), 1)
        _write(panel, f"{kilohertz:g}", _LEFT - 34, y + 5)
    _write(panel, "kHz", 2, _TOP - 12)
    for second in _ticks(seconds):
        x = round(_LEFT + _WIDTH * second / seconds)
        cv2.line(panel, (x, _TOP + _HEIGHT), (x, _TOP + _HEIGHT + 4), (0, 0, 0), 1)
        _write(panel, f"{second:g}", x - 5, _TOP + _HEIGHT + 20)
    _write(panel, "s", _LEFT + _WIDTH - 8, _TOP + _HEIGHT + 20)
    return panel


def _ticks(top: float) -> list[float]:
    """About five round numbers from 0 to below `top`."""
    step = next(
        size for power in range(-3, 6) for size in (10.0**power, 2 * 10.0**power, 5 * 10.0**power) if top / size <= 6
    )
    return [k * step for k in range(int(0.97 * top / step) + 1)]


def _write(panel: np.ndarray, text: str, x: int, y: int) -> None:
    cv2.putText(panel, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)


def _page(
    clip: Path,
    attack: Attack,
    info: audio.AudioInfo,
    shown: AudioPreview,
    sheet: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
) -> str:
    players = "\n".join(
        f'<figure><audio src="{embed("audio/wav", _wav(samples, info.rate))}" controls aria-label="{title}"></audio>'
        f"<figcaption>{title}</figcaption></figure>"
        for title, samples in (("clean", before), ("triggered", after), ("difference", after - before))
    )
    facts = [
        ("clip", f"{clip.name}: {info.seconds:.2f} s of {info.layout} audio at {info.rate} Hz"),
        ("attack", attack_summary(attack)),
        ("span", f"{shown.span[0]:.2f} … {shown.span[1]:.2f} s"),
        ("strength", f"{shown.strength:.1f} steps of 16 bits (RMS over the span)"),
        ("audio over trigger", "–" if shown.snr_db is None else f"{shown.snr_db:.1f} dB"),
    ]
    picture = embed("image/png", png(sheet))
    body = f"""<div class="row">
{players}
</div>
<figure><img src="{picture}" alt="Spectrograms: clean, triggered, and their difference">
<figcaption>spectrograms of the first channel, {_FAINT:.0f} … {_LOUD:.0f} dB of full scale</figcaption></figure>"""
    return page(f"{attack.name} on {clip.name}", facts, body)


def _wav(samples: np.ndarray, rate: int) -> bytes:
    memory = io.BytesIO()
    soundfile.write(memory, np.clip(samples[:, : _PLAYED * rate].T, -1, 1), rate, format="WAV", subtype="PCM_16")
    return memory.getvalue()
