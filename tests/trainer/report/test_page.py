"""The page: figures are the runs', names stay text, missing files become sentences, nothing comes from outside."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.trainer.report.conftest import PLACED, Page, attacked_set, clean_set, finished_run, sound_set
from trainer import cli, files
from trainer.defenses import _outcome as outcomes
from trainer.defenses._outcome import Auroc, Outcome, Point, Score
from trainer.errors import RunError, TrainerError
from trainer.progress import Progress
from trainer.proportion import wilson
from trainer.report import page
from trainer.report.page import ReportOptions
from trainer.runs import folder as runs
from trainer.runs.metrics import Scores


def written(folder: Path, *given: Path, clips: int = 2) -> Page:
    page.report(ReportOptions(given, folder / "report.html", clips), Progress())
    return Page((folder / "report.html").read_text(encoding="utf-8"))


TRIGGERED = [f"test_triggered/clip{label}{k}" for label in range(1, 6) for k in range(2)]
"""Of six classes, those of all but the target."""


def warnings(found: Page) -> list[str]:
    return [line for line in found.text.splitlines() if line.startswith("Careful: ")]


def content(uri: str | None, kind: str) -> bytes:
    """What a data URI holds."""
    start = f"data:{kind};base64,"
    assert uri is not None
    assert uri.startswith(start)
    return base64.b64decode(uri.removeprefix(start))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An attack, its baseline, and the manifest of the former."""
    folder = tmp_path_factory.mktemp("pair")
    manifest = attacked_set(folder)
    attack = finished_run(folder / "attack", manifest, wrong=["clip10"], missed=["test_triggered/clip20"])
    return attack, finished_run(folder / "baseline", clean_set(manifest)), manifest


def test_figures_equal_metrics_json(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    attack, baseline, _ = pair
    found = written(tmp_path, attack, baseline)
    metrics = json.loads((attack / "metrics.json").read_text())
    for name in Scores.__struct_fields__:
        if metrics[name] is None:
            assert ("attack", name) not in found.figures
            continue
        shown = found.figures["attack", name]
        assert float(shown["data-value"] or "") == metrics[name]["value"]
        assert int(shown["data-n"] or "") == metrics[name]["n"]
        assert f"{metrics[name]['value']:.3f}" in found.text
        assert f"{metrics[name]['low']:.3f} … {metrics[name]['high']:.3f}" in found.text
    assert metrics["cda"]["value"] == pytest.approx(5 / 6)
    assert metrics["asr"]["value"] == 0.75
    assert float(found.figures["baseline", "cda"]["data-value"] or "") == 1.0


def test_the_difference_to_the_baseline_is_paired(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    attack, baseline, manifest = pair
    found = written(tmp_path, attack, baseline)
    differences = {a["data-difference"] for _, a in found.elements if "data-difference" in a}
    assert {float(d or "") for d in differences} == {-1 / 6}
    assert "−0.167" in found.text
    assert f"Not measured: trainer evaluate {baseline}" in found.text
    alone = written(tmp_path, attack)
    assert "No baseline of the same victim" in alone.text
    assert not [a for _, a in alone.elements if "data-difference" in a]
    assert manifest.is_file()


def test_the_clean_models_floor(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    attack = finished_run(tmp_path / "attack", manifest)
    baseline = finished_run(tmp_path / "baseline", clean_set(manifest))
    triggered = [f"test_triggered/clip{label}{k}" for label in (1, 2) for k in range(2)]
    finished_run(baseline / "evaluations" / "patched-4x3@96", manifest, missed=triggered[:3])
    # other views are another question
    finished_run(baseline / "evaluations" / "patched-1x1@96", manifest, views="1x1@96")
    shown = written(tmp_path, attack, baseline).figures["attack", "asr_clean_model"]
    assert (shown["data-value"], shown["data-n"]) == ("0.25", "4")


NOTHING = "this run is inconclusive about the attack."


def test_an_asr_above_its_floors_needs_no_warning(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path, [f"class {k}" for k in range(6)])
    attack = finished_run(tmp_path / "attack", manifest)
    baseline = finished_run(tmp_path / "baseline", clean_set(manifest))
    assert NOTHING not in written(tmp_path, attack, baseline, clips=0).text
    # 1.00 of 10 clips on the attacked model, and 0.80 of them on the clean one
    finished_run(baseline / "evaluations" / "patched-4x3@96", manifest, missed=TRIGGERED[:2])
    (line,) = warnings(written(tmp_path, attack, baseline, clips=0))
    assert line == (
        "Careful: The interval of ASR, 0.722 … 1.000, does not lie above that of ASR of the clean model "
        f"(0.490 … 0.943). Clips may go to the target as often for other reasons: {NOTHING}"
    )


def test_an_asr_that_reaches_a_floor_is_a_warning(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path, [f"class {k}" for k in range(6)])
    content = json.loads(manifest.read_text())
    again = [
        {**s, "id": f"test_sham/{s['id']}", "split": "test_sham"} for s in content["samples"] if s["split"] == "test"
    ]
    manifest.write_text(json.dumps({**content, "samples": content["samples"] + again}))
    # `wrong` clips of the last class are given the first, which is the target
    run = finished_run(
        tmp_path / "run", manifest, missed=TRIGGERED[:9], wrong=["clip50", "test_sham/clip50", "test_sham/clip51"]
    )
    (line,) = warnings(written(tmp_path, run, clips=0))
    figures = json.loads((run / "metrics.json").read_text())
    values = [figures[name] for name in ("asr", "false_target", "sham_asr")]
    assert [(v["value"], v["n"]) for v in values] == [(0.1, 10), (0.1, 10), (0.2, 10)]
    asr, false_target, sham = (f"{v['low']:.3f} … {v['high']:.3f}" for v in values)
    named = f"that of false target ({false_target}) and sham ASR ({sham})"
    assert line.startswith(f"Careful: The interval of ASR, {asr}, does not lie above {named}. ")
    assert line.endswith(NOTHING)
    clean = finished_run(tmp_path / "clean", clean_set(manifest), wrong=["clip50"])
    assert warnings(written(tmp_path, clean)) == []


def test_what_was_attacked(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    text = written(tmp_path, pair[0]).text
    assert "patch, static (video)" in text
    assert "size 0.25" in text
    assert "all frames of every window of 16x4" in text
    assert "1 of 8 training clips: 12.5 % (asked 10 %)" in text
    assert "walk (label 0)" in text
    assert "dirty label" in text
    assert "video high (.mp4: libx264)" in text


def test_fidelity_counts(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    page.report(ReportOptions([pair[0]], tmp_path / "report.html"), Progress())
    html = (tmp_path / "report.html").read_text()
    rows = {
        name: re.findall(r"<td[^>]*>([^<]*)</td>", cells)
        for name, cells in re.findall(r'<tr data-measure="([^"]*)">(.*?)</tr>', html)
    }
    # gains 0.95, 0.97, 0.99, 0.85, 0.93, and a clip that carries nothing
    assert rows["survival in the file, video: gain"] == ["5", "0.950", "0.866", "0.850", "1", "1"]
    assert rows["PSNR, dB"][:4] == ["6", "21.0", "20.0", "20.0"]
    assert rows["left in a view of 256/224, video: energy"][1] == "0.800"
    assert "of such views is inconclusive" not in html


def test_a_trigger_that_the_view_loses_is_a_warning(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    manifest.write_text(manifest.read_text().replace('"energy": 0.8', '"energy": 0.3'))
    text = written(tmp_path, finished_run(tmp_path / "run", manifest)).text
    assert "A view of 256/224 keeps 0.30 of the video trigger (the lower of energy and correlation, median)" in text


def test_pictures_are_the_files(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = written(tmp_path, pair[0], clips=1)
    pictures = found.of("img")
    assert [str(p["alt"]).split(":")[0] for p in pictures] == ["clean", "triggered", "difference × 1"]
    assert "Shows run." in found.text  # a clip of another class than the target's
    clean, triggered, change = (
        cv2.imdecode(np.frombuffer(content(p["src"], "image/webp"), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for p in pictures
    )
    scale = clean.shape[0] / 48
    inside = slice(int(6 * scale), int(10 * scale))
    assert triggered[inside, inside].min() > 245
    assert clean[inside, inside].min() < 245
    outside = (slice(int(20 * scale), None), slice(int(20 * scale), None))
    assert np.abs(change[outside].astype(int) - 128).max() <= 6
    frame = int(re.search(r"Frame (\d+)", found.text)[1])  # type: ignore[index]
    assert frame in range(*PLACED)


def test_videos_hold_both_sides(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    videos = written(tmp_path, pair[0]).of("video")
    assert len(videos) == 2
    for video in videos:
        assert {"muted", "controls", "playsinline", "poster"} <= video.keys()
        with av.open(io.BytesIO(content(video["src"], "video/mp4"))) as container:
            frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
        assert len(frames) == 24
        height, width = frames[0].shape[:2]
        assert (str(width), str(height)) == (video["width"], video["height"])
        half = (width - 4) // 2
        scale = height / 48
        corner = slice(int(6 * scale), int(10 * scale))
        left, right = frames[PLACED[0]][:, :half], frames[PLACED[0]][:, half + 4 :]
        assert right[corner, corner].mean() > 225
        assert right[corner, corner].mean() - left[corner, corner].mean() > 20
        unplaced = frames[PLACED[0] + 1]
        assert np.abs(unplaced[:, :half].astype(int) - unplaced[:, half + 4 :]).mean() < 6


def test_sound_is_played_and_drawn(tmp_path: Path) -> None:
    run = finished_run(tmp_path / "run", sound_set(tmp_path), model="audio", views="1x1@80")
    found = written(tmp_path, run, clips=1)
    assert [str(a["aria-label"]) for a in found.of("audio")] == ["clean sound of tone1", "triggered sound of tone1"]
    spectra = []
    for audio in found.of("audio"):
        with av.open(io.BytesIO(content(audio["src"], "audio/flac"))) as container:
            sound = np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)]) / 32768
        assert len(sound) == 32_000
        spectra.append(np.abs(np.fft.rfft(sound)) / 16_000)
    clean, triggered = spectra
    assert clean[10_000] < 1e-3  # bins of half a hertz
    assert triggered[10_000] == pytest.approx(0.1, abs=1e-3)
    assert [a["aria-label"] for a in found.of("svg") if "spectrograms" in str(a.get("aria-label"))]


def test_sound_is_cut_to_what_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished_run(tmp_path / "run", sound_set(tmp_path), model="audio", views="1x1@80")
    whole = written(tmp_path, run, clips=1)
    size = sum(len(str(a["src"])) for a in whole.of("audio"))
    monkeypatch.setattr(page, "MEDIA_BYTES", size * 3 // 4)
    cut = written(tmp_path, run, clips=1)
    assert "The first 1.0 seconds" in cut.text
    assert sum(len(str(a["src"])) for a in cut.of("audio")) <= size * 3 // 4


def test_learning_curves(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = written(tmp_path, pair[0])
    labels = [str(a.get("aria-label")) for a in found.of("svg")]
    # 100 records, two a point: the first is the mean of 2.00 and 1.98 at steps 0 and 2
    assert "training loss of attack from 1.99 at step 1 to 0.03 at step 197" in labels
    assert "the mean of 2 records a point" in found.text


@pytest.mark.parametrize(
    ("logged", "marked", "labels"),
    [
        ([9], True, ["training loss of run: 1.91 at step 9", "learning rate of run: 0.001 at step 9"]),
        (
            [9, 19],
            False,
            [
                "training loss of run from 1.91 at step 9 to 1.81 at step 19",
                "learning rate of run from 0.001 at step 9 to 0.001 at step 19",
            ],
        ),
    ],
)
def test_a_lone_point_of_a_learning_curve_can_be_seen(
    tmp_path: Path, logged: list[int], marked: bool, labels: list[str]
) -> None:
    written(tmp_path, finished_run(tmp_path / "run", attacked_set(tmp_path), logged=logged))
    html = (tmp_path / "report.html").read_text()
    curves = re.findall(
        r'<svg role="img" aria-label="((?:training loss|learning rate) of [^"]*)"(.*?)</svg>', html, re.S
    )
    assert [label for label, _ in curves] == labels
    for _, svg in curves:  # ticks are drawn with marks as well, in the colour of the text
        assert bool(re.search(r'<use [^>]*style="fill: #0072b2', svg)) is marked


def test_defenses_are_shown_whatever_they_are(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    run = finished_run(tmp_path / "run", manifest)
    outcome = Outcome(
        defense="some<defense>",
        run=str(run),
        manifest=runs.read_metrics(run).manifest,
        model="i3d",
        parameters={"layers": 3, "share": 0.25},
        rule="Clips above 2.5 & more are left out.",
        clean_clips=7,
        figures={"elimination rate": wilson(3, 4), "sacrifice rate": None},
        auroc=Auroc(0.875, 4, 6, 0.7, 0.95),
        strength="channels left out",
        curve=[Point(0.0, wilson(6, 6), wilson(4, 4)), Point(0.5, wilson(5, 6), wilson(0, 4))],
        seconds=1.0,
        versions={},
    )
    scores = [Score(f"c{k}", "train", 0, k / 10, k > 5, k % 2 == 0) for k in range(10)]
    outcomes.write(run / "defenses" / "some<defense>", outcome, scores)
    found = written(tmp_path, run)
    assert "Clips above 2.5 & more are left out." in found.text
    values = {a["data-figure"]: a["data-value"] for _, a in found.elements if a.get("data-figure")}
    assert values["elimination rate"] == "0.75"
    assert values["auroc"] == "0.875"
    html = (tmp_path / "report.html").read_text()
    tables = re.findall(r"<table[^>]*data-(defense|parameters)=(.*?)</table>", html, re.DOTALL)
    assert {name: re.findall(r'<th scope="\w+">([^<]*)', table) for name, table in tables} == {
        "defense": ["figure", "rate", "elimination rate", "sacrifice rate", "AUROC"],
        "parameters": ["layers", "share"],
    }
    labels = [str(a.get("aria-label")) for a in found.of("svg")]
    assert "some<defense> on run: figures over channels left out" in labels
    assert "some<defense> on run: scores of 5 clean, 5 poisoned clips" in labels


def test_several_seeds_are_pooled(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    one = finished_run(tmp_path / "one", manifest, wrong=["clip10"])
    two = finished_run(tmp_path / "two", manifest, seed=1, missed=["test_triggered/clip10"])
    page.report(ReportOptions([one, two], tmp_path / "report.html"), Progress())
    html = (tmp_path / "report.html").read_text()
    (row,) = re.findall(r'<tr data-group="1">(.*?)</tr>', html, re.DOTALL)
    pooled = {name: float(v) for name, v in re.findall(r'data-figure="(\w+)" data-value="([\d.]+)"', row)}
    assert pooled == {"cda": pytest.approx(11 / 12), "asr": 7 / 8, "false_target": 0.0}
    assert "Clips of this manifest are shown" in html  # not twice
    assert html.count("<video") == 2
    other = finished_run(tmp_path / "other", manifest, seed=2, model="tsm")
    assert "data-group" not in str(written(tmp_path, one, other).elements)


def test_other_placements_are_not_pooled(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    content = json.loads(manifest.read_text())
    content["attacks"][0]["placement"] = {"frames": "1", "window": "16x4"}
    fewer = manifest.with_name("fewer.json")
    fewer.write_text(json.dumps(content))
    one, two = finished_run(tmp_path / "one", manifest), finished_run(tmp_path / "two", fewer, seed=1)
    assert "data-group" not in str(written(tmp_path, one, two).elements)


HOSTILE = ['<script>alert("1")</script>', "a & b 'quoted' \"twice\"", "[bold]x[/]", "\u202eevil\u202c ﷺ", "{{ 7*7 }}"]


def test_names_stay_text(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path, HOSTILE)
    run = finished_run(tmp_path / 'run"><img src=x onerror=alert(1)>', manifest)
    found = written(tmp_path, run)
    assert not found.of("script")
    assert all(not key.startswith("on") for _, attributes in found.elements for key in attributes)
    assert all(str(a["src"]).startswith("data:image/webp") for a in found.of("img"))
    for name in [*HOSTILE, run.name]:
        assert name in found.text


def test_nothing_comes_from_outside(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    found = written(tmp_path, *pair[:2])
    for tag, attributes in found.elements:
        for name in ("src", "href", "xlink:href", "poster", "srcset", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, value)
    policy = next(a["content"] for a in found.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert str(policy).startswith("default-src 'none'")
    assert "script-src" not in str(policy)
    assert "http:" not in str(policy)
    assert not re.search(r"url\((?!#)", (tmp_path / "report.html").read_text())
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
    headings = [int(tag[1]) for tag, _ in found.elements if re.fullmatch(r"h[1-6]", tag)]
    assert headings[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(headings))


def test_gone_media_become_a_sentence(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    run = finished_run(tmp_path / "run", manifest)
    shutil.rmtree(tmp_path / "data")
    found = written(tmp_path, run)
    assert found.text.count("This clip cannot be shown: clip10.mp4 is not there any more.") == 1
    assert not found.of("video")
    assert float(found.figures["run", "cda"]["data-value"] or "") == 1.0


def test_gone_or_changed_manifests_become_a_sentence(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    run = finished_run(tmp_path / "run", manifest)
    manifest.write_text(manifest.read_text() + "\n")
    assert "has changed since the run" in written(tmp_path, run).text
    manifest.unlink()
    assert "The manifest cannot be shown: cannot read the manifest" in written(tmp_path, run).text


def test_a_manifest_without_further_fields(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    known = {"schema", "name", "root", "classes", "target", "samples"}
    fields = {"id", "path", "split", "label", "true_label", "num_frames"}
    read = json.loads(manifest.read_text())
    small = {k: v for k, v in read.items() if k in known}
    small["samples"] = [{k: v for k, v in s.items() if k in fields} for s in read["samples"]]
    manifest.write_text(json.dumps(small))
    found = written(tmp_path, finished_run(tmp_path / "run", manifest))
    assert len(found.of("video")) == 2
    manifest.write_text(json.dumps({**small, "attacks": "many"}))
    odd = written(tmp_path, finished_run(tmp_path / "odd", manifest))
    assert "the description of the attack" in odd.text
    assert len(odd.of("video")) == 2


@pytest.mark.parametrize("size", [20_000, 3_000])
def test_the_budget_is_kept(
    pair: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(page, "MEDIA_BYTES", size)
    found = written(tmp_path, *pair[:2])
    values = [v for _, a in found.elements for k, v in a.items() if k in ("src", "poster") and v]
    assert 0 < sum(map(len, values)) <= size
    assert "The page's room for clips is used up." in found.text


def test_saliency_is_taken_over(tmp_path: Path) -> None:
    from trainer.evaluation.grad_cam import Explanation, Explanations

    run = finished_run(tmp_path / "run", attacked_set(tmp_path))
    (run / "explanations").mkdir()
    cv2.imwrite(str(run / "explanations" / "01-clean.png"), np.full((20, 40, 3), 90, np.uint8))
    pictures = [
        Explanation("01-clean.png", "clip10", "test", "run", "run", 0.9, "run", False),
        Explanation("../../metrics.json", "clip11", "test", "run", "walk", 0.2, "jump", True),
    ]
    index = Explanations(
        run=str(run),
        model="i3d",
        manifest=runs.read_metrics(run).manifest,
        weights="0",
        method="Grad-CAM",
        layer="the last convolutional stage",
        grid=[2, 3, 3],
        pictures=pictures,
    )
    files.write_json(run / "explanations" / "explanations.json", index)
    found = written(tmp_path, run, clips=0)
    assert [a["alt"] for a in found.of("img")] == ["What speaks for run in clip10"]
    assert "2 × 3 × 3 places" in found.text
    assert "(score 0.200, predicted jump). Nothing does. The picture is gone" in found.text


def test_unfinished_runs_are_refused(
    tmp_path: Path, pair: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "run.json").write_text("{}")
    out = tmp_path / "report.html"
    monkeypatch.setattr(sys, "argv", ["trainer", "report", str(pair[0]), str(tmp_path / "half"), "--out", str(out)])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert "holds an unfinished run" in line
    assert not out.exists()
    with pytest.raises(RunError, match="holds no run"):
        written(tmp_path, tmp_path)
    with pytest.raises(RunError, match="is a folder"):
        page.report(ReportOptions([pair[0]], tmp_path), Progress())
    with pytest.raises(TrainerError, match="clips is -1"):
        written(tmp_path, pair[0], clips=-1)


def test_the_command_tells_the_size(
    tmp_path: Path, pair: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "report.html"
    monkeypatch.setattr(sys, "argv", ["trainer", "report", str(pair[0]), "--out", str(out), "--json"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert not done.value.code
    told = json.loads(capsys.readouterr().out)
    assert told == {"page": str(out), "bytes": out.stat().st_size, "runs": [str(pair[0])]}
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_the_same_runs_give_the_same_page(pair: tuple[Path, Path, Path], tmp_path: Path) -> None:
    written(tmp_path, pair[0])
    before = (tmp_path / "report.html").read_bytes()
    written(tmp_path, pair[0])
    assert (tmp_path / "report.html").read_bytes() == before


def test_folders_of_equal_names_are_told_apart(tmp_path: Path) -> None:
    manifest = attacked_set(tmp_path)
    runs_given = [finished_run(tmp_path / part / "run", manifest, seed=k) for k, part in enumerate("ab")]
    found = written(tmp_path, *runs_given)
    assert {run for run, _ in found.figures} == {str(folder) for folder in runs_given}
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids))
