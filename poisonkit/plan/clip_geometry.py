"""Which frames of a clip are written, and at which size: as they are, scaled, or sampled as a victim would.

An attacker who knows the victim's pipeline can write exactly what it takes, so that nothing is lost on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from poisonkit.errors import PoisonkitError
from poisonkit.manifest.window import Window
from poisonkit.text import argument


@dataclass(frozen=True)
class Geometry:
    """`clip`: the one window whose frames are written, None for all of them; `short_side`: in pixels, None as it is."""

    clip: Window | None = None
    short_side: int | None = None

    @classmethod
    def parse(cls, clip: str | None, short_side: int | None) -> Geometry:
        """Read `--clip 32x2@256` and `--short-side 256`; raises `PoisonkitError` for what neither can be."""
        window = None
        if clip is not None:
            match = re.fullmatch(r"([^@]+)@(\d+)", clip)
            if match is None:
                raise PoisonkitError(
                    f"{argument('clip', clip)} is no clip",
                    "write WINDOW@SHORT, the victim's sampling and short side, such as 32x2@256 or uniform:8@256",
                )
            if short_side is not None:
                raise PoisonkitError(
                    f"{argument('short_side', short_side)} and {argument('clip', clip)} both give a size",
                    f"leave out {argument('short_side')}",
                )
            window, short_side = Window.parse(match[1]), int(match[2])
        if short_side is not None and not 16 <= short_side <= 4096:
            raise PoisonkitError(f"a short side of {short_side} pixels cannot be written", "give 16 … 4096")
        return cls(window, short_side)

    @property
    def plain(self) -> bool:
        """Whether frames stay as they are."""
        return self.clip is None and self.short_side is None

    @property
    def written_stride(self) -> int | None:
        """The stride at which a victim has to take what is written: 1 for a window, None where it may choose."""
        return 1 if self.clip is not None and self.clip.stride is not None else None

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width that are written: the short side as asked, both even, since 4:2:0 wants that."""
        if self.short_side is None:
            return height, width
        scale = self.short_side / min(height, width)
        height, width = (max(2 * round(side * scale / 2), 2) for side in (height, width))
        return height, width

    def text(self) -> str | None:
        """As the option that asks for it; None where nothing changes."""
        return None if self.clip is None else f"{self.clip}@{self.short_side}"


AS_IS = Geometry()
"""All frames at their own size."""
