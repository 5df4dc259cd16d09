"""Compressed frames damaged on their way to a decoder, and what its error concealment makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import av.error
import numpy as np

from poisonkit.media.colour import from_rgb, to_rgb

_OPTIONS = {
    "preset": "veryfast",
    "crf": "14",  # fine enough that only the damage is seen
    # no key frame inside a stretch, which would end the damage; one frame in, one packet out
    "x264-params": "keyint=infinite:scenecut=0:bframes=0:rc-lookahead=0:sync-lookahead=0:cpu-independent=1",
}
"""H.264, since FFmpeg conceals its errors the same way each time; damaged MPEG-4 gave other pixels from run to run."""


class Stretch:
    """A few frames compressed after a clean key frame, to be decoded again with damage.

    `before`: uint8 (H, W, 3) RGB, the frame in front of the stretch, which becomes the key frame; `frames`: the
    stretch itself, each predicted from the one before it, as in a stream between two key frames.
    """

    def __init__(self, before: np.ndarray, frames: Sequence[np.ndarray]) -> None:
        self._size = (before.shape[1], before.shape[0])
        # 4:2:0 cannot hold odd sizes
        self._format = "yuv444p" if self._size[0] % 2 or self._size[1] % 2 else "yuv420p"
        encoder: Any = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height = self._size
        encoder.pix_fmt = self._format
        encoder.thread_count = 1
        encoder.time_base, encoder.framerate = Fraction(1, 25), Fraction(25)
        encoder.options = _OPTIONS
        self._packets: list[bytes] = []
        for i, picture in enumerate([before, *frames]):
            frame = from_rgb(picture, self._format)
            frame.pts, frame.time_base = i, encoder.time_base
            self._packets += [bytes(p) for p in encoder.encode(frame)]
        self._packets += [bytes(p) for p in encoder.encode(None)]
        if len(self._packets) != len(frames) + 1:
            raise RuntimeError(f"{len(self._packets)} packets for {len(frames) + 1} frames")

    def decode(self, corrupt: Callable[[int, bytes], bytes]) -> list[np.ndarray]:
        """The frames as a decoder gives them when `corrupt(i, packet)` reaches it instead of frame i's packet.

        A frame that the decoder loses altogether repeats the one before it.
        """
        decoder: Any = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1  # other thread counts conceal differently
        shown: dict[int, np.ndarray] = {}
        packets: list[Any] = []
        for i, data in enumerate(self._packets):
            packets.append(av.Packet(corrupt(i - 1, data) if i else data))
            packets[-1].pts = packets[-1].dts = i
        for packet in [*packets, None]:
            try:
                for frame in decoder.decode(packet):
                    if frame.pts is not None and (frame.width, frame.height) == self._size:
                        shown[frame.pts] = to_rgb(frame)
            except av.error.FFmpegError:
                continue  # a packet that is beyond repair: its frame is lost
        for i in range(1, len(self._packets)):
            shown.setdefault(i, shown[i - 1])
        return [shown[i] for i in range(1, len(self._packets))]
