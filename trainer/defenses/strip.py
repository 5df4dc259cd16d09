"""STRIP: a trigger still decides when its clip is blended with others, so that predictions hardly vary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import t as student
from torch import Tensor

from trainer.defenses._base import param
from trainer.defenses._case import Clip, Defender
from trainer.defenses._detection import Screening, Verdict
from trainer.evaluation import inference
from trainer.evaluation.inference import Array, Observed
from trainer.presets.sampling import Views
from trainer.seeding import generator

Parts = tuple[Tensor, ...]
"""The views `(V, ...)` of one clip, as each network takes them."""


@dataclass(frozen=True)
class Strip(Screening):
    """Flags inputs whose predictions stay certain when they are blended with clean clips.

    An input is blended with `blends` clips drawn from the clean set, or with all of a smaller one: video as
    `weight · x + (1 − weight) · y` of the decoded pixels, audio as the same sum of the powers in each mel band, both in
    fused models with the same clips. The entropy `−Σ p log₂ p` of the predictions, in bits, is averaged over the
    blends; low ones are flagged. Clips are seen in `windows` views in time, of one crop.

    The threshold comes from the clean clips, each blended with the others, so that the fraction `frr` of clean inputs
    is rejected: with at least `1 / frr − 1` of them the ⌊frr · (n + 1)⌋-th lowest entropy; with fewer, which cannot
    show so rare a value, the lower bound of a normal distribution's prediction interval, `mean − t · s · √(1 + 1/n)`.
    The default of 5 % is what 19 clean clips can show; for 1 % it takes 99.

    Source: Gao et al., "STRIP: A Defence Against Trojan Attacks on Deep Neural Networks", 2019, section 4, which adds
    whole pictures up, takes 100 blends, and a normal distribution's quantile as the threshold.
    """

    name: ClassVar[str] = "strip"
    source: ClassVar[str] = "Gao et al. 2019; figure 6 of the paper; weight, blends and frr are ours"
    fused: ClassVar[bool] = True

    blends: int = param(10, "clean clips that each input is blended with", unit="clips", low=1, high=1000)
    weight: float = param(0.6, "the input's weight in a blend", low=0.01, high=0.99)
    frr: float = param(0.05, "clean inputs that may be rejected", unit="fraction", low=0.0001, high=0.5)
    windows: int = param(1, "views in time of a clip", unit="views", low=1, high=100)

    def screen(self, defender: Defender) -> Verdict:
        clean = list(self._read(defender, defender.clean))
        judged = defender.judged
        with defender.progress.stage("blending", len(clean) + len(judged)) as step:
            known = []
            for k, parts in enumerate(clean):
                others = self._drawn(defender.clean[k].id, clean[:k] + clean[k + 1 :])
                known.append(self._entropy(defender, parts, others))
                step()
            values = []
            for clip, parts in zip(judged, self._read(defender, judged), strict=True):
                values.append(self._entropy(defender, parts, self._drawn(clip.id, clean)))
                step()
        bound, how = threshold(np.array(known), self.frr)
        entropies = np.array(values)
        rule = (
            f"inputs are flagged whose predictions, blended ({self.weight:g} of the input) with "
            f"{min(self.blends, len(clean))} clean clips, have a mean entropy under {bound:.3f} bits: {how}"
        )
        return Verdict(entropies, entropies < bound, rule, "mean entropy of blends in bits", bound, falling=True)

    def _drawn(self, identity: str, clean: Sequence[Parts]) -> list[Parts]:
        """Which clean clips an input is blended with: a draw of its own, so that no class is in every blend."""
        order = generator("strip", identity).permutation(len(clean))
        return [clean[k] for k in order[: self.blends]]

    def _read(self, defender: Defender, clips: Sequence[Clip]) -> Iterator[Parts]:
        streams = []
        for k, run in enumerate(defender.victim.parts):
            views = Views(self.windows, 1, run.views.size)
            files = [clip.files[k] for clip in clips]
            streams.append(inference.read(run.model, run.manifest, files, run.preset, views))
        return zip(*streams, strict=True)

    def _entropy(self, defender: Defender, parts: Parts, others: Sequence[Parts]) -> float:
        """The mean over blends, each scored as the victim would score it: means over views, then fusion."""
        if not others:
            return float("nan")
        seen = []
        for k, run in enumerate(defender.victim.parts):
            blended = [blend(parts[k], other[k], self.weight) for other in others]
            answers = inference.forward_views(run.model, torch.cat(blended))
            ends = np.cumsum([len(views) for views in blended])[:-1].tolist()
            means = [np.stack([p.mean(dim=0).numpy() for p in torch.tensor_split(a, ends)]) for a in answers]
            seen.append(Observed([""] * len(others), *means))
        return float(entropy(defender.victim.scores(seen)).mean())


def blend(one: Tensor, other: Tensor, weight: float) -> Tensor:
    """Views mixed one by one, the other's taken in turn where it has fewer: pixels, or powers of log-mels."""
    other = other[torch.arange(len(one)) % len(other)]
    if one.dtype == torch.uint8:
        return weight * one.float() + (1 - weight) * other.float()
    return torch.logaddexp(one + np.log(weight), other + np.log(1 - weight))


def entropy(probabilities: Array) -> Array:
    """Of each row, in bits."""
    p = np.clip(probabilities, 1e-300, 1)
    return np.asarray(-(p * np.log2(p)).sum(axis=-1))


def threshold(known: NDArray[np.float64], frr: float) -> tuple[float, str]:
    """The entropy under which a clean input falls with probability `frr`, and how it was found; NaN flags nothing."""
    known = np.sort(known[np.isfinite(known)])
    n = len(known)
    rank = int(frr * (n + 1) + 1e-9)
    if rank:
        return float(known[rank - 1]), f"a {frr:g} quantile of {n} clean clips'"
    if n < 2:
        return float("nan"), f"unknown, since {n} clean clips have no spread"
    half = student.ppf(1 - frr, n - 1) * known.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(known.mean() - half), f"the {frr:g} quantile of a normal distribution as {n} clean clips show it"
