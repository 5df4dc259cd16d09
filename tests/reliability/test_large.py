"""Large data sets: how long planning and reading take, and how much memory.

Seconds are the processor's, so that a machine that does other things at the same time does not fail a test.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from poisonkit import layouts
from poisonkit import manifest as contract
from poisonkit.manifest import Encoding, Manifest, Sample, Source, Survival, ViewSurvival
from poisonkit.plan import plan as planning
from poisonkit.plan.request import Request
from poisonkit.run import run, schedule
from tests.conftest import moving_frames, write_clip
from tests.poisonkit.runs import Silent, settings_of
from tests.reliability.usage import measured

KINETICS = 240_000
"""Clips of Kinetics-400: training and validation."""
UCF101 = 13_320


@pytest.fixture(scope="module")
def kinetics(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder as large as Kinetics-400 whose clips are empty."""
    root = tmp_path_factory.mktemp("large") / "kinetics"
    (root / "annotations").mkdir(parents=True)
    for part, count in (("train", KINETICS * 11 // 12), ("val", KINETICS // 12)):
        for label in range(400):
            (root / part / f"class_{label:03d}").mkdir(parents=True)
        rows = ["label,youtube_id,time_start,time_end,split"]
        for i in range(count):
            label, name, start = i % 400, f"{part[0]}{i:010d}", i % 200
            rows.append(f"class {label:03d},{name},{start},{start + 10},{part}")
            path = f"{root}/{part}/class_{label:03d}/{name}_{start:06d}_{start + 10:06d}.mp4"
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        (root / "annotations" / f"{part}.csv").write_text("\n".join(rows) + "\n")
    yield root
    shutil.rmtree(root)  # pytest would keep three of them


@pytest.mark.long
def test_kinetics_is_planned_in_seconds(kinetics: Path) -> None:
    used = measured("-m", "poisonkit", "poison", kinetics, "--attack", "badnet", "--dry-run", cwd=kinetics.parent)
    assert used.processor < 10
    assert used.megabytes < 1000


@pytest.mark.long
def test_the_manifest_of_kinetics_is_read_in_seconds(kinetics: Path, tmp_path: Path) -> None:
    path = tmp_path / "kinetics.json"
    contract.save(manifest_of(kinetics), path)
    print(f"{path.stat().st_size / 1e6:.0f} MB")
    for package in ("poisonkit", "trainer"):
        code = f"from pathlib import Path; from {package}.manifest import load; "
        empty = measured("-c", code, cwd=tmp_path)
        full = measured("-c", f"{code} assert len(load(Path({str(path)!r})).samples) == {KINETICS}", cwd=tmp_path)
        assert full.processor - empty.processor < 2
        assert full.megabytes < 1000


def manifest_of(source: Path) -> Manifest:
    """The manifest of a poisoned copy, with as many numbers as a real one has, of as many samples as clips."""
    listing = layouts.read(source)
    plan = planning.poison(listing, Request(("badnet",), "dynamic", frames="8", sham="all"))
    jobs = sorted(plan.jobs, key=lambda job: job.action == "carry")[:KINETICS]
    samples = []
    for job in jobs:
        form = (300, 29.97003, 340, 256)
        sample = Sample(job.id, job.out_path, job.split, job.label, job.true_label, job.poisoned, *form)
        if job.action != "carry":
            sample.sha256 = "0123456789abcdef" * 4
            sample.psnr_db, sample.ssim, sample.l2, sample.linf = 41.2345, 0.987654, 3.21098, 255
        if job.action == "trigger":
            sample.frames, sample.window_count = [(k, k + 250, 64) for k in range(8)], 8
            digest = {"shape": [300, 2], "blake2b": "0123456789abcdef"}
            sample.trigger = {"box": [12, 34, 300, 250], "place": digest, "colours": digest}
            sample.survival = {"video": Survival(0.9876, 0.9912, 33.1234, 0.9801, 0.9712)}
            sample.view_survival = {"video": ViewSurvival("256/224", 0.8123, 0.9712)}
        samples.append(sample)
    return Manifest(
        schema=contract.SCHEMA,
        name="kinetics",
        created_with={},
        root="copy",
        source=Source(listing.layout, listing.split, listing.fingerprint),
        classes=list(listing.classes),
        seed=0,
        rate=plan.rate,
        label_mode=plan.label_mode,
        target=plan.target,
        attacks=list(plan.attacks),
        sampling=plan.window,
        encoding=Encoding("high", "high", {}, "copy", "hardlink"),
        splits=dict(Counter(sample.split for sample in samples)),
        skipped=[],
        samples=samples,
    )


def test_ucf101_is_begun_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Begun(Exception):
        pass

    def begin(*_: object) -> None:
        raise Begun

    clip = write_clip(tmp_path / "clip.avi", moving_frames(8))
    for i in range(UCF101):
        part = "test" if i % 4 == 0 else "train"
        path = tmp_path / "source" / part / f"class{i % 101:03d}" / f"clip{i:05d}.avi"
        if i < 404:  # each class once in either part
            path.parent.mkdir(parents=True, exist_ok=True)
        os.link(clip, path)
    monkeypatch.setattr(schedule, "run_job", begin)
    began = time.process_time()
    plan = planning.poison(layouts.read(tmp_path / "source"), Request(("badnet",)))
    settings = settings_of(tmp_path / "out", tmp_path / "out.json", quality="high", force=True)
    with pytest.raises(Begun):
        run.poison(plan, settings, Silent())
    seconds = time.process_time() - began
    print(f"{len(plan.jobs)} jobs: {seconds:.2f} s")
    assert len(plan.listing.clips) == UCF101
    assert seconds < 3
