"""Activation clustering: a label's features fall into two clusters, one of which lies apart from its clean clips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from trainer.defenses._base import param
from trainer.defenses._case import Defender
from trainer.defenses._detection import Inspection, Verdict

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ActivationClustering(Inspection):
    """Clusters each label's features in two, and flags a cluster that lies far off its label's clean clips.

    Per label: PCA to `dimensions` of the penultimate features of its training clips, 2-means there, and the label's
    clean clips projected alike. The cluster whose centre is farther from their mean is the suspect, however large it
    is: at 10 % of UCF-101 poisoned clips are the majority of the target class. It is flagged where the two centres lie
    more than `factor` times as far apart as clean clips lie from the nearer centre of their label, in the median over
    the clean clips of all labels. A clip's score is how far it lies from the near centre towards the far one, in those
    same units.

    One clean clip a label is enough to say which cluster is the suspect, since the scale is shared by all labels; with
    up to three the choice hangs on how typical they are, and a wrong one flags the clean cluster instead. Labels
    without any, or with fewer than three training clips, are not judged: score 0, not flagged.

    Source: Chen et al., "Detecting Backdoor Attacks on Deep Neural Networks by Activation Clustering", 2018, with the
    comparison to clean clips of the paper's section 4.2. Neither gives a rule for few clean clips; this one is ours.
    """

    name: ClassVar[str] = "activation-clustering"
    source: ClassVar[str] = "Chen et al. 2018; paper, section 4.2 and table 5; `factor` is ours"

    dimensions: int = param(10, "principal components that are kept", low=1, high=1000)
    factor: float = param(
        3.0, "distance of two clusters that is flagged", unit="of clean clips from theirs", low=0.0, high=1e6
    )
    seed: int = param(0, "of the clusters' first centres", low=0, high=2**32 - 1)

    def inspect(self, defender: Defender) -> Verdict:
        clips = defender.judged
        features, labels = defender.observed(clips).features, defender.labels(clips)
        clean, known = defender.observed(defender.clean).features, defender.labels(defender.clean)
        splits = {}
        for label in np.unique(labels):
            if (labels == label).sum() > 2 and (known == label).any():
                splits[label] = self._split(features[labels == label], clean[known == label])
        scale = float(np.median(np.concatenate([split.clean for split in splits.values()]))) if splits else 1.0
        scale = max(scale, 1e-9)
        values, flagged = np.zeros(len(clips)), np.zeros(len(clips), bool)
        suspects = 0
        for label, split in splits.items():
            values[labels == label] = split.along / scale
            if split.apart > self.factor * scale:
                suspects += 1
                flagged[labels == label] = split.far
        rule = (
            f"per label, PCA of the penultimate features ({features.shape[1]} to {self.dimensions} dimensions) and two "
            "clusters; the one farther from the label's clean clips is flagged where the two lie more than "
            f"{self.factor:g} × {scale:.3g} apart, {scale:.3g} being a clean clip's usual distance from its cluster: "
            f"{suspects} of {len(np.unique(labels))} labels ({len(splits)} judged)"
        )
        return Verdict(values, flagged, rule, "distance from the cluster near clean clips")

    def _split(self, features: Array, clean: Array) -> Split:
        pca = PCA(min(self.dimensions, *features.shape), random_state=self.seed).fit(features)
        points, known = pca.transform(features), pca.transform(clean)
        clusters = KMeans(2, n_init=10, random_state=self.seed).fit(points)
        centres = clusters.cluster_centers_
        near = int(np.linalg.norm(centres - known.mean(axis=0), axis=1).argmin())
        axis = centres[1 - near] - centres[near]
        apart = float(np.linalg.norm(axis))
        return Split(
            far=clusters.labels_ != near,
            along=(points - centres[near]) @ axis / max(apart, 1e-9),
            apart=apart,
            clean=np.linalg.norm(known[:, None] - centres, axis=2).min(axis=1),
        )


@dataclass(frozen=True)
class Split:
    """A label's clips in two: which are `far` from clean ones, and how far `along` the line between both centres.

    `apart`: the distance of the centres; `clean`: that of each clean clip from the nearer one.
    """

    far: NDArray[np.bool_]
    along: Array
    apart: float
    clean: Array
