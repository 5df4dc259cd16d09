"""The clean pair that is shown the same triggered clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.fusion.run_pair import Pair
from trainer.fusion.scorers import Average, Fused, Mode


@dataclass(frozen=True)
class Baseline:
    """A fused model that never saw a trigger."""

    folder: Path
    pair: Pair
    fused: Fused

    def suits(self, pair: Pair, mode: Mode, average: Average) -> bool:
        """Whether it is fused like another pair, of like networks that know the same classes and see as many views."""

        def told(of: Pair) -> list[tuple[str, str, str, list[str]]]:
            return [(r.settings.model, r.preset.name, str(r.views), r.manifest.classes) for r in (of.video, of.audio)]

        return (*self.fused.kind, told(self.pair)) == (mode, average if mode == "late" else None, told(pair))
