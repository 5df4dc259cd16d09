"""From pixels to RGB and back."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from poisonkit.media.colour import from_rgb, to_rgb
from poisonkit.media.video import examine
from tests.conftest import moving_frames
from tests.poisonkit.media.videos import pixels, rewrite


def test_tagged_colours_survive(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "2"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace = 1  # BT.709
        for array in moving_frames(5):
            container.mux(
                stream.encode(
                    av.VideoFrame.from_ndarray(array, format="rgb24").reformat(dst_colorspace=1, format="yuv420p")
                )
            )
        container.mux(stream.encode(None))
    before = pixels(path)
    rgb = rewrite(path, "near", tmp_path / "b.mp4", before)
    assert examine(rgb).colorspace == 1
    assert np.abs(pixels(rgb).astype(int) - before).mean() < 2


@pytest.mark.parametrize("pix_fmt", ["rgb24", "gbrp", "yuv420p"])
@pytest.mark.parametrize("width", [48, 31])
def test_frames_made_from_rgb_share_no_memory(pix_fmt: str, width: int) -> None:
    one, other = (np.full((32, width, 3), level, np.uint8) for level in (40, 200))
    first, second = from_rgb(one, pix_fmt), from_rgb(other, pix_fmt)
    assert np.abs(to_rgb(first).astype(int) - one).max() <= 2
    assert np.abs(to_rgb(second).astype(int) - other).max() <= 2
