"""What previews of video and audio have in common: the job they run and the files they write."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cv2
import ffmpeg
import imageio_ffmpeg
import numpy as np

from poisonkit.errors import PoisonkitError
from poisonkit.plan.job import Job
from poisonkit.text import argument


def wants_page(clip: Path, out: Path) -> bool:
    """Whether `out` is a page rather than a sheet; raises `PoisonkitError` for other names, and without a clip."""
    if out.suffix not in (".png", ".html"):
        raise PoisonkitError(
            f"{argument('out', out)} is neither a sheet nor a page", "give a name that ends in .png or .html"
        )
    if not clip.is_file():
        raise PoisonkitError(f"there is no file {clip}", "give a clip of the data set")
    return out.suffix == ".html"


def one_job(clip: Path) -> Job:
    """The clip as a triggered one of a data set of its own."""
    return Job(clip.stem, "test_triggered", clip.name, clip.name, 0, 0, True, "trigger", clip.stem)


def deliver(content: bytes, out: Path) -> None:
    """Write a file in one step."""
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(out.name + ".partial")
    partial.write_bytes(content)
    partial.replace(out)


def png(picture: np.ndarray) -> bytes:
    """A picture, uint8 (H, W, 3) RGB, as a PNG file."""
    done, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    if not done:
        raise PoisonkitError("OpenCV could not write a PNG", "check that opencv-python-headless is whole")
    return bytes(data)


def mp4(frames: list[np.ndarray], fps: float) -> bytes:
    """Frames, uint8 (H, W, 3) RGB, as H.264 that browsers play; raises `PoisonkitError` where ffmpeg fails."""
    height, width = frames[0].shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        source = ffmpeg.input("pipe:", format="rawvideo", pix_fmt="rgb24", s=f"{width}x{height}", r=fps)
        even = source.filter("scale", width + width % 2, height + height % 2)  # browsers want 4:2:0
        graph = even.output(str(path), vcodec="libx264", crf=16, pix_fmt="yuv420p", movflags="+faststart")
        try:
            graph.run(
                cmd=imageio_ffmpeg.get_ffmpeg_exe(),
                input=b"".join(frame.tobytes() for frame in frames),
                quiet=True,
                overwrite_output=True,
            )
        except ffmpeg.Error as error:
            last = (error.stderr or b"").decode(errors="replace").strip().split("\n")[-1]
            raise PoisonkitError(f"ffmpeg could not make the page's video: {last}", "ask for a .png instead") from None
        return path.read_bytes()
