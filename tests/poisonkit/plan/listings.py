"""Listings for plans of tests."""

from __future__ import annotations

from pathlib import Path

from poisonkit.layouts import Clip, Listing
from poisonkit.plan.plan import Plan


def listing(per_class: int = 40, classes: int = 5, suffix: str = ".avi") -> Listing:
    clips = [
        Clip(
            f"c{label}/{k:03d}",
            f"c{label}/{k:03d}{suffix}",
            "train" if k < per_class // 2 else "test",
            label,
            1000,
        )
        for label in range(classes)
        for k in range(per_class)
    ]
    return Listing("folder", "1", Path("/nowhere"), tuple(f"c{i}" for i in range(classes)), tuple(clips))


def poisoned(plan: Plan) -> set[str]:
    return {job.clip_id for job in plan.jobs if job.split == "train" and job.poisoned}
