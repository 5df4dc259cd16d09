"""A clip through a lossy codec and back, in memory."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np

from trainer.data.audio_datasets import RATE, Wave
from trainer.data.crops import Frames
from trainer.errors import TrainerError


def video(frames: Frames, crf: int, fps: int = 25) -> Frames:
    """Frames `uint8 (T, H, W, 3)` as H.264 in 4:2:0 at a constant rate factor gives them back."""
    count, height, width = frames.shape[:3]
    even = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")  # 4:2:0 has no odd sizes
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream("libx264", rate=fps, options={"crf": str(crf), "preset": "veryfast"})
        stream.height, stream.width, stream.pix_fmt = even.shape[1], even.shape[2], "yuv420p"
        stream.codec_context.thread_count = 1  # another number would give other pixels
        for picture in even:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    if len(decoded) != count:
        raise TrainerError(f"H.264 gave back {len(decoded)} of {count} frames", "take another purify.method")
    return np.ascontiguousarray(np.stack(decoded)[:, :height, :width])


def audio(wave: Wave, kbps: int) -> Wave:
    """A mono wave `float32 (N,)` at 16 kHz as MP3 at a bit rate gives it back, of the same length and in step.

    The encoder's delay is in the file's header, and the decoder takes it off.
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = kbps * 1000
        frame = av.AudioFrame.from_ndarray(np.clip(wave, -1, 1)[None], format="fltp", layout="mono")
        frame.rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        fifo = av.AudioFifo()
        fifo.write(frame)
        while block := fifo.read(stream.codec_context.frame_size or 576, partial=True):
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as container:
        decoded = np.concatenate([block.to_ndarray() for block in container.decode(audio=0)], axis=1)[0]
    back = np.zeros_like(wave)
    length = min(len(back), len(decoded))
    back[:length] = decoded[:length]
    return back
