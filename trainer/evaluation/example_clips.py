"""Which clips a person is shown: a few, always the same, each clean and with the trigger."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.manifest import TRIGGERED, Manifest, Sample, plain


@dataclass(frozen=True)
class Example:
    """One clip of the test split; either side may be missing from the manifest."""

    name: str
    clean: Sample | None
    triggered: Sample | None

    @property
    def true_label(self) -> int:
        """What the clip shows."""
        return next(s.true_label for s in (self.triggered, self.clean) if s is not None)


def choose(manifest: Manifest, count: int, labels: Sequence[int] | None = None) -> list[Example]:
    """Up to `count` test clips, in an order that depends on the manifest alone.

    Clips of other classes than the target's come first, one of each class before a second of any; within a class by
    id. `labels`: only clips that show one of these.
    """
    target = None if manifest.target is None else manifest.target.label
    found: dict[str, dict[str, Sample]] = defaultdict(dict)
    for sample in manifest.samples:
        if sample.split in ("test", TRIGGERED):
            found[plain(sample.id)][sample.split] = sample
    if any(TRIGGERED in sides for sides in found.values()):  # clips without a triggered copy have little to show
        found = {name: sides for name, sides in found.items() if TRIGGERED in sides}
    examples = [Example(name, found[name].get("test"), found[name].get(TRIGGERED)) for name in sorted(found)]
    if labels is not None:
        examples = [example for example in examples if example.true_label in labels]
    turn: dict[int, int] = defaultdict(int)
    ranked = []
    for example in examples:
        ranked.append((example.true_label == target, turn[example.true_label], example.true_label, example.name))
        turn[example.true_label] += 1
    by_name = {example.name: example for example in examples}
    return [by_name[name] for *_, name in sorted(ranked)[:count]]
