"""Bring `docs/attacks/*.md` up to date with the code: tables of parameters and of survival, and the images.

Usage: python docs/attacks.py              the tables, in place, and pages that are missing; prints what changed
       python docs/attacks.py DEMO-DATA    also docs/images/, from clips of the demo data set
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from poisonkit.clip.audio_attack import AudioAttack
from poisonkit.clip.video_attack import VideoAttack
from poisonkit.fidelity.audio import power_db
from poisonkit.manifest import Attack
from poisonkit.media import audio
from poisonkit.media.colour import to_rgb
from poisonkit.media.video import decode, examine
from poisonkit.plan.job import Context
from poisonkit.plan.plan import make_attacks
from poisonkit.plan.request import Request
from poisonkit.preview.output import one_job
from poisonkit.triggers import TRIGGERS, Trigger
from poisonkit.triggers._base import Mode
from poisonkit.triggers._params import allowed

DOCS = Path(__file__).resolve().parent
PAGES = DOCS / "attacks"
IMAGES = DOCS / "images"
MODES: tuple[Mode, ...] = ("static", "dynamic")

SEEN = "test/Spin/spin_0003.mp4"
"""The clip of the pictures, of the demo data set with seed 0."""
MOVED = "test/Circle/circle_0002.mp4"
"""The clip of triggers that work in time: it moves much."""
HEARD = "test/Rise/rise_0002.mp4"
KILOHERTZ = {"sine": 4.0, "band-noise": 8.0, "spectrum-tone": 5.0}
"""Where a spectrogram ends, if not at half the sample rate."""
SHOWN = (24, 25, 26)
"""Frames of the pictures."""
STEPS = {"frame-lag": tuple(range(0, 18, 2)), "video-corruption": tuple(range(12, 26, 2))}
"""Frames of the strips: those that a victim samples at stride 2."""
OVERVIEW = ("badnet", "blend", "sig", "wanet")
COLOURS = 192
"""Of a picture's palette: pictures of a page should not weigh more than its text by far."""

UNMEASURED = "Not measured yet: `make survival ATTACKS={name}`."

# --- tables ---------------------------------------------------------------------------------------


def filled(text: str, name: str) -> str:
    """A page with its blocks made again: what stands between `<!-- BLOCK -->` and `<!-- end -->`.

    Ends with a sentence for a block that nobody makes, or that does not end.
    """
    makers: dict[str, Callable[[], str]] = {
        "parameters": lambda: parameters(TRIGGERS[name]),
        "survival": lambda: survival(name, (DOCS / "survival.md").read_text()),
        "attacks": attacks,
    }
    # no block reaches into another one: an empty block has no line of its own
    block = re.compile(r"<!-- (\w+) -->(?:(?!<!-- \w+ -->).)*?<!-- end -->", re.DOTALL)
    marks = re.findall(r"<!-- (\w+) -->", block.sub("", text))
    unknown = [found[1] for found in block.finditer(text) if found[1] not in makers]
    if marks or unknown:
        what = f"the block {unknown[0]!r}, which nobody makes" if unknown else f"a lone <!-- {marks[0]} -->"
        raise SystemExit(f"{name}.md has {what}; write <!-- BLOCK --> … <!-- end --> with one of {', '.join(makers)}")
    return block.sub(lambda found: f"<!-- {found[1]} -->\n{makers[found[1]]()}\n<!-- end -->", text)


def begun(name: str, kind: type[Trigger]) -> str:
    """A new page, from what the class says of itself."""
    said = inspect.getdoc(kind) or ""
    first, _, more = said.partition("\n\n")
    return f"""# {name}

{first}

![{name}: clean, with the trigger, and the difference](../images/attacks/{name}.png)

## What it does

{more or first}

## Parameters

`--set {name}.PARAMETER=VALUE`, as often as needed.

<!-- parameters -->
<!-- end -->

## What survives

<!-- survival -->
<!-- end -->

## Source

{kind.source}

## Commands

```sh
poisonkit attacks {name}
poisonkit poison demo --attack {name} --rate 0.1
```
"""


def parameters(kind: type[Trigger]) -> str:
    """What `--set` takes, as a table."""
    rows = [
        (f"`{f.name}`", f"`{f.default}`", allowed(f), f.metadata["unit"] or "–", f.metadata["help"])
        for f in kind.fields()
    ]
    return table(("parameter", "default", "range", "unit", "meaning"), rows)


def survival(name: str, page: str) -> str:
    """The attack's rows of docs/survival.md, with its heads; a sentence where there is none."""
    rows = [[cell.strip() for cell in line.strip("|\n").split("|")] for line in page.splitlines() if line[:1] == "|"]
    head = rows[0]
    chosen = [row for row in rows if row[0].split(" (")[0] == name]
    if not chosen:
        return UNMEASURED.format(name=name)
    kept = [i for i, title in enumerate(head) if title != "of" and any(row[i] for row in chosen)]
    return table([head[i] for i in kept], [[row[i] for i in kept] for row in chosen])


def attacks() -> str:
    """Every attack with its page and a line."""
    rows = [
        (
            f"[`{name}`]({name}.md)",
            kind.modality,
            " ".join((kind.__doc__ or "").strip().split("\n\n")[0].split()).rstrip("."),
            kind.source,
        )
        for name, kind in sorted(TRIGGERS.items(), key=lambda item: item[1].modality, reverse=True)
    ]
    return table(("attack", "on", "what it does", "source"), rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; a bar within a cell would end it."""
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells)


# --- pictures -------------------------------------------------------------------------------------


def draw(data: Path, folder: Path) -> None:
    """One picture an attack, and one of several for the README."""
    (folder / "attacks").mkdir(parents=True, exist_ok=True)
    for name, kind in TRIGGERS.items():
        maker = spectrograms if kind.modality == "audio" else strip if name in STEPS else sheet
        save(maker(data, name), folder / "attacks" / f"{name}.png")
    save(overview(data), folder / "overview.png")


def sheet(data: Path, name: str) -> Image.Image:
    """Clean, static, their difference; below a few frames of the dynamic form."""
    i, *_ = SHOWN
    before, static = both(data / SEEN, attack(name, "static"))
    dynamic = both(data / SEEN, attack(name, "dynamic"))[1]
    gain = amplification(before, static)
    change, title = difference(before[i], static[i], gain), f"difference × {gain}"
    if name == "ftrojan":  # of single pixels, which a small picture does not show
        height, width = (side // 4 for side in change.shape[:2])
        change, title = change[:height, :width].repeat(4, axis=0).repeat(4, axis=1), f"{title}, a corner"
    pictures = [[before[i], static[i], change], [dynamic[k] for k in SHOWN]]
    captions = [[f"clean, frame {i}", "static", title], [f"dynamic, frame {k}" for k in SHOWN]]
    return grid(pictures, captions, 160)


def strip(data: Path, name: str) -> Image.Image:
    """Frames along time: clean, static, dynamic; and for damage the differences."""
    before, static = both(data / MOVED, attack(name, "static"))
    dynamic = both(data / MOVED, attack(name, "dynamic"))[1]
    shown = STEPS[name]
    rows = [("clean", before), ("static", static), ("dynamic", dynamic)]
    if name == "frame-lag":
        gain = amplification(before, static)
        rows.append((f"difference × {gain}", [difference(a, b, gain) for a, b in zip(before, static, strict=True)]))
    pictures = [[frames[i] for i in shown] for _, frames in rows]
    captions = [[title if k == 0 else str(i) for k, i in enumerate(shown)] for title, _ in rows]
    return grid(pictures, captions, 88)


def overview(data: Path) -> Image.Image:
    """Several attacks side by side, each above its difference."""
    top, bottom, captions = [], [], [["clean"], [""]]
    for name in OVERVIEW:
        before, after = both(data / SEEN, attack(name, "static"))
        gain = amplification(before, after)
        i = SHOWN[0]
        top, bottom = top or [before[i]], bottom or [np.full_like(before[i], 255)]
        top.append(after[i])
        bottom.append(difference(before[i], after[i], gain))
        captions[0].append(name)
        captions[1].append(f"difference × {gain}")
    return grid([top, bottom], captions, 160)


def attack(name: str, mode: Mode) -> Attack:
    return make_attacks(Request((name,), mode=mode))[0]


def both(clip: Path, attack: Attack) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """All frames, clean and triggered, uint8 (H, W, 3) RGB."""
    info = examine(clip)
    change = VideoAttack(one_job(clip), Context(clip.parent, None, 0, (attack,)), info)
    pairs = [[rgb(p.source), rgb(p.triggered)] for p in change.versions(decode(clip))]
    return [a for a, _ in pairs], [b for _, b in pairs]


def rgb(picture: Any) -> np.ndarray:
    return picture if isinstance(picture, np.ndarray) else to_rgb(picture)


def amplification(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> int:
    """How often the difference fits into the grey levels on either side of the middle, all but its rare peaks."""
    changed = np.abs(np.stack(after).astype(np.int16) - np.stack(before))
    return max(int(127 / max(float(np.percentile(changed[changed > 0], 98)), 1.0)), 1)


def difference(before: np.ndarray, after: np.ndarray, gain: int) -> np.ndarray:
    """The change around middle grey."""
    return np.clip(128 + gain * (after.astype(np.int16) - before), 0, 255).astype(np.uint8)


def grid(pictures: Sequence[Sequence[np.ndarray]], captions: Sequence[Sequence[str]], width: int) -> Image.Image:
    """Rows of pictures `width` wide, with a caption above each."""
    height = round(width * pictures[0][0].shape[0] / pictures[0][0].shape[1])
    gap, line = 4, 17
    size = (len(pictures[0]) * (width + gap) - gap, len(pictures) * (height + line))
    whole = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(whole)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), 11)
    for row, (cells, titles) in enumerate(zip(pictures, captions, strict=True)):
        for column, (cell, title) in enumerate(zip(cells, titles, strict=True)):
            x, y = column * (width + gap), row * (height + line)
            pen.text((x + 1, y + 2), title, "black", font)
            whole.paste(Image.fromarray(cell).resize((width, height), Image.Resampling.BICUBIC), (x, y + line))
    return whole


def spectrograms(data: Path, name: str) -> Image.Image:
    """The first channel: clean, static, and what static and dynamic change, in decibels."""
    clip = data / HEARD
    found = audio.read(clip)
    if found is None:
        raise SystemExit(f"{clip} holds no audio; give the demo data set")
    info, before = found
    after = [
        AudioAttack(one_job(clip), Context(clip.parent, None, 0, (attack(name, mode),)), info).apply(before)
        for mode in MODES
    ]
    clean, *changed = (power_db(samples[:1], 1024, 256)[0].T for samples in (before, *after))
    panels = [("clean", clean), ("static", changed[0])]
    panels += [(f"{mode} − clean", new - clean) for mode, new in zip(MODES, changed, strict=True)]
    with mpl.rc_context({"font.size": 8, "text.parse_math": False}):
        figure = Figure((8.4, 2.5), dpi=100, layout="constrained")
        axes = figure.subplots(1, 4, sharey=True)
        for place, (title, values) in zip(axes, panels, strict=True):
            change = "−" in title
            limits = {"vmin": -30, "vmax": 30} if change else {"vmin": -100, "vmax": -10}
            colours = mpl.colormaps["RdBu_r" if change else "viridis"].resampled(25)
            extent = (0, info.seconds, 0, info.rate / 2000)
            drawn = place.imshow(values, origin="lower", aspect="auto", extent=extent, cmap=colours, **limits)
            place.set_ylim(0, KILOHERTZ.get(name))
            place.set_title(title)
            place.set_xlabel("s")
            if title in ("static", "dynamic − clean"):
                figure.colorbar(drawn, ax=place, label="dB" if change else "dB of full scale")
        axes[0].set_ylabel("kHz")
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def save(picture: Image.Image, path: Path) -> None:
    """A PNG of few colours, without dithering, which would look like a trigger of its own."""
    # of the rare colours too: those of a patch and of the scales
    few = picture.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=2, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def main() -> None:
    """Write what has changed."""
    for name, kind in TRIGGERS.items():
        if not (PAGES / f"{name}.md").exists():
            (PAGES / f"{name}.md").write_text(begun(name, kind))
    for page in sorted(PAGES.glob("*.md")):
        before = page.read_text()
        after = filled(before, page.stem)
        if after != before:
            page.write_text(after)
            print(page.relative_to(DOCS.parent))
        if UNMEASURED.format(name=page.stem) in after:
            print(f"{page.relative_to(DOCS.parent)}: the survival of {page.stem} is not measured yet")
    if len(sys.argv) > 1:
        draw(Path(sys.argv[1]), IMAGES)


if __name__ == "__main__":
    main()
