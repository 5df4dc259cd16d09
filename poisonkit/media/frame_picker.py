"""Single frames of a clip, without decoding what they do not need."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import av
import av.error

from poisonkit import heartbeat
from poisonkit.media.container import holdable, reading, video_stream
from poisonkit.media.video import _shown, decode


class Picked:
    """The `wanted` frames of a file, each with its number, in order; raises `BrokenClip`.

    Of H.264 what no other frame is predicted from is not decoded, unless it is wanted. Once all have been taken,
    `count` is how many frames the file holds, and `missing` are wanted ones that it did not give.
    """

    def __init__(self, path: Path, wanted: Collection[int]) -> None:
        self._path, self._wanted = path, wanted
        self.count, self.missing = 0, set(wanted)

    def __iter__(self) -> Iterator[tuple[int, av.VideoFrame]]:
        for k, frame in self._found():
            self.missing.discard(k)
            yield k, frame

    def _found(self) -> Iterator[tuple[int, av.VideoFrame]]:
        with reading(self._path) as container:
            stream = video_stream(container, self._path)
            if Picker.skips(stream.codec_context) and holdable(self._path.stat().st_size):
                packets = list(container.demux(stream))
                times = [packet.pts for packet in packets if _shown(packet)]
                if None not in times and len(set(times)) == len(times):
                    times.sort()
                    self.count = len(times)
                    picker = Picker(stream.codec_context, {times[k]: k for k in self._wanted if k < len(times)})
                    for packet in packets:
                        yield from picker.decode(packet)
                    return
        for k, frame in enumerate(decode(self._path)):
            self.count = k + 1
            if k in self._wanted:
                yield k, frame


class Picker:
    """A decoder that gives the frames `asked` for, time stamps with numbers; H.264's leaves out what it can."""

    def __init__(self, decoder: Any, asked: Mapping[int, int]) -> None:
        self._decoder, self._asked, self._may_skip = decoder, asked, self.skips(decoder)

    @staticmethod
    def skips(decoder: Any) -> bool:
        """Whether a decoder leaves out frames that nothing needs."""
        return bool(decoder.name == "h264")

    def decode(self, packet: Any) -> Iterator[tuple[int, av.VideoFrame]]:
        """The asked frames that come out of the decoder by now, with their numbers; None, or no bytes, empties it."""
        if self._may_skip:  # a frame from which no other is predicted, unless it is asked for itself
            needed = packet is None or not packet.size or packet.pts in self._asked
            self._decoder.skip_frame = "DEFAULT" if needed else "NONREF"
        heartbeat.beat()
        for frame in self._decoder.decode(packet):
            if frame.pts in self._asked:
                yield self._asked[frame.pts], frame
