"""Video corruption: bits of the compressed stream are flipped, and a decoder makes the best of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from poisonkit.triggers._bitstream import BitstreamTrigger
from poisonkit.triggers._footage import Drawn
from poisonkit.triggers._params import param

_SPARED = 40
"""Bytes at a packet's beginning that stay as they are: without its header a frame is lost, not damaged."""


@dataclass(frozen=True)
class VideoCorruption(BitstreamTrigger):
    """Flip bits in the compressed frames and keep what a real decoder shows.

    The frames are compressed (H.264, a clean key frame before each stretch of at most `stretch` frames), bits of each
    frame's packet are flipped behind its header, `flips` of them, and the decoder's error concealment does the rest:
    smeared and shifted blocks that spread from frame to frame until the next key frame. A frame that is lost altogether
    repeats the one before it. Where a stretch comes out all but unchanged, other bits are flipped.

    Static: bits at the same relative places of every packet. Dynamic: places drawn for each frame.
    """

    name: ClassVar[str] = "video-corruption"
    source: ClassVar[str] = "Look, Listen, and Attack, section 4.2 (natural backdoors); codec and damage are ours"

    flips: int = param(8, "bits flipped in each frame's packet", unit="bits", low=1, high=10_000, tuned=True)

    def draw(self, num_frames: int, size: tuple[int, int], rng: np.random.Generator) -> Drawn:
        """`places`: float64 (…, flips), relative places of the bits in [0, 1), static or one set a frame."""
        frames = () if self.mode == "static" else (num_frames,)
        return {"places": rng.random((*frames, self.flips))}

    def corrupt_packet(self, packet: bytes, frame_index: int, attempt: int, drawn: Drawn) -> bytes:
        places = drawn["places"] if self.mode == "static" else drawn["places"][frame_index]
        data = np.frombuffer(packet, dtype=np.uint8).copy()
        # a packet of a still frame is shorter than a header: it loses what comes after its first bytes
        spared = min(_SPARED, len(data) // 2)
        bits = 8 * (len(data) - spared)
        # each attempt moves all places by the golden section, which spreads them evenly
        moved = (places + attempt * 0.6180339887498949) % 1.0
        for place in np.unique((moved * bits).astype(np.int64)):
            data[spared + place // 8] ^= 1 << (place % 8)
        return data.tobytes()
