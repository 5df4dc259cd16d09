"""Which clips are tried first."""

from __future__ import annotations

from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit.clip import trial_clips
from poisonkit.clip.trial_clips import trial_jobs
from poisonkit.media import video
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request


def test_trial_clips_hold_the_largest_the_smallest_and_the_stillest(
    ucf_tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial_clips, "MOST", 3)
    plan = planning.poison(layouts.read(ucf_tree), Request(("badnet",), rate=0.3))
    chosen = trial_jobs(plan, "video")
    areas = {job.id: video.peek(ucf_tree / job.path) for job in plan.written() if job.action == "trigger"}
    area = {name: info.width * info.height for name, info in areas.items()}
    assert len(chosen) == 3
    assert max(area[j.id] for j in chosen) == max(area.values())
    assert min(area[j.id] for j in chosen) == min(area.values())
    assert [j.id for j in trial_jobs(plan, "video")] == [j.id for j in chosen]
