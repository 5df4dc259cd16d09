"""A manifest follows from its header and its clips, and whatever was changed in it afterwards is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from poisonkit import layouts
from poisonkit import manifest as contract
from poisonkit.audit.rederive import rederive
from poisonkit.errors import PoisonkitError
from poisonkit.plan import plan as planning
from poisonkit.plan import selection
from poisonkit.plan.request import Request
from poisonkit.run import run
from poisonkit.run.settings import Settings
from poisonkit.triggers import TRIGGERS
from tests.conftest import make_av_tree, make_sound_tree, make_ucf_tree, shared
from tests.poisonkit.cli.test_cli import call
from tests.poisonkit.run.test_audio_runs import poison as poison_sound
from tests.poisonkit.runs import Silent, poison, settings_of

Change = Callable[[dict[str, Any]], None]
SETTINGS = {"sine": {"start": "0.3", "stop": "0.7"}}


@pytest.fixture(scope="module")
def ucf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_ucf_tree(tmp_path_factory.mktemp("ucf") / "source", num_frames=20)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips of one window each, or a little more."""
    return make_ucf_tree(tmp_path_factory.mktemp("few") / "source", per_class=2, num_frames=18)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sound_tree(tmp_path_factory.mktemp("sounds") / "source", per_class=2, rate=48_000)


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_av_tree(tmp_path_factory.mktemp("av") / "source", per_class=2)


@pytest.fixture(scope="module")
def copies(ucf: Path, heard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dynamic copy placed at random (`badnet.json`), one with sound (`both.json`)."""

    def make(folder: Path) -> None:
        placed = Request(("badnet",), "dynamic", rate=0.3, frames="random", window="8x2")
        poison(ucf, folder / "badnet", placed, manifest=folder / "badnet.json")
        poison_sound(heard, folder / "both", Request(("badnet", "sine"), "dynamic", rate=0.3), quality="high")

    return shared(tmp_path_factory, "copies", make)


def problems(path: Path) -> list[str]:
    return rederive(contract.load(path)).problems


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("attack", sorted(n for n, kind in TRIGGERS.items() if kind.modality == "video"))
def test_every_attack_on_pictures_follows_from_its_header(few: Path, tmp_path: Path, attack: str, mode: Any) -> None:
    made = poison(few, tmp_path / "out", Request((attack,), mode, rate=0.3, frames="random", window="8x2"))
    assert any(s.frames for s in made.samples)
    again = rederive(contract.load(tmp_path / "manifests" / "out.json"))
    assert (again.problems, again.notes, again.samples) == ([], [], len(made.samples))


@pytest.mark.parametrize("mode", ["static", "dynamic"])
@pytest.mark.parametrize("attack", sorted(n for n, kind in TRIGGERS.items() if kind.modality == "audio"))
def test_every_attack_on_sound_follows_from_its_header(sounds: Path, tmp_path: Path, attack: str, mode: Any) -> None:
    settings = {attack: SETTINGS.get(attack, {})}
    made = poison_sound(sounds, tmp_path / "out", Request((attack,), mode, rate=0.3, settings=settings))
    assert any(s.audio_spans for s in made.samples)
    assert problems(tmp_path / "out.json") == []


def test_pictures_and_sound(copies: Path) -> None:
    assert problems(copies / "both.json") == []


REQUESTS: dict[str, tuple[Request, dict[str, Any]]] = {
    "a count of frames": (Request(("badnet",), "dynamic", rate=0.3, frames="3", window="8x2"), {}),
    "segments": (Request(("frame-lag",), "dynamic", rate=0.3, frames="3", window="uniform:8"), {}),
    "a sampled clip": (Request(("badnet",), "dynamic", rate=0.3, frames="3", clip="8x2@32"), {}),
    "a clip of segments": (Request(("sig",), rate=0.3, clip="uniform:8@32"), {}),
    "another size": (Request(("badnet",), rate=0.3, short_side=32), {}),
    "clean label": (Request(("badnet",), rate=0.5, label_mode="clean", target="Beta"), {}),
    "a rate of the target class": (Request(("badnet",), rate=1.0, rate_of="target", seed=5), {}),
    "no trigger": (Request(rate=0.3), {}),
    "no trigger, sampled": (Request(rate=0.3, clip="8x2@32"), {}),
    "few sham clips": (Request(("badnet",), rate=0.3, sham="2"), {}),
    "all sham clips": (Request(("badnet",), rate=0.3, sham="all"), {}),
    "no sham clip": (Request(("badnet",), rate=0.3, sham="none"), {}),
    "all re-encoded": (Request(("badnet",), rate=0.3, reencode=True), {"carry": "reencode"}),
    "all hashed": (Request(("badnet",), rate=0.3), {"hash_all": True}),
    "triggered training clips": (Request(("badnet",), rate=0.3, mode="dynamic", train_triggered="3"), {}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_whatever_was_asked_for(ucf: Path, tmp_path: Path, name: str) -> None:
    request, settings = REQUESTS[name]
    poison(ucf, tmp_path / "out", request, **settings)
    assert problems(tmp_path / "manifests" / "out.json") == []


def test_test_limit(ucf: Path, tmp_path: Path) -> None:
    plan = planning.poison(selection.limit_test(layouts.read(ucf), 4, 0), Request(("badnet",), rate=0.3))
    options = settings_of(tmp_path / "out", tmp_path / "out.json", quality="high", force=True)
    run.poison(plan, options, Silent())
    assert problems(tmp_path / "out.json") == []


def test_without_the_silent_clips(tmp_path: Path) -> None:
    source = make_sound_tree(tmp_path / "source", per_class=6)
    for path in [*sorted((source / "Beta").iterdir())[:2], *sorted((source / "Gamma").iterdir())[-1:]]:
        samples, rate = soundfile.read(path)
        soundfile.write(path, samples * 0, rate)
    made = poison_sound(source, tmp_path / "out", Request(("sine",), "dynamic", rate=0.3), skip=True)
    assert len(made.skipped) == 3
    assert problems(tmp_path / "out.json") == []


@pytest.mark.parametrize("clip", ["poisoned", "clean", "test"])
def test_without_a_broken_clip(tmp_path: Path, clip: str) -> None:
    source = make_ucf_tree(tmp_path / "source", per_class=6)
    request = Request(("badnet",), "dynamic", rate=0.4, sham="5")
    jobs = planning.poison(layouts.read(source), request).jobs
    fits = {
        "poisoned": lambda job: job.split == "train" and job.poisoned,
        "clean": lambda job: job.split == "train" and not job.poisoned and job.true_label,
        "test": lambda job: job.split == "test_sham",
    }
    (source / next(filter(fits[clip], jobs)).path).write_bytes(b"")
    made = poison(source, tmp_path / "out", request, skip_broken=True)
    assert made.skipped
    path = tmp_path / "manifests" / "out.json"
    assert problems(path) == []
    swap_poisoned(made_dict := json.loads(path.read_text()))
    path.write_text(json.dumps(made_dict))
    assert problems(path), "skipped clips excuse nothing but themselves"


# --- what was changed afterwards ------------------------------------------------------------------


def first(made: dict[str, Any], split: str = "test_triggered", **fields: object) -> dict[str, Any]:
    return next(s for s in made["samples"] if s["split"] == split and all(s[k] == v for k, v in fields.items()))


def swap_poisoned(made: dict[str, Any]) -> None:
    """One training clip less, another one more."""
    one = next(s for s in made["samples"] if s["split"] == "train" and s["poisoned"])
    other = next(s for s in made["samples"] if s["split"] == "train" and not s["poisoned"] and s["true_label"])
    one.update(poisoned=False, label=one["true_label"])
    other.update(poisoned=True, label=made["target"]["label"])


def moved_run(made: dict[str, Any]) -> None:
    sample = first(made)
    start, stop, step = sample["frames"][0]
    sample["frames"][0] = [start + 1, stop + 1, step] if stop < sample["num_frames"] else [start, stop - 1, step]


def set_seed(made: dict[str, Any]) -> None:
    made["seed"] = 1


def moved_box(made: dict[str, Any]) -> None:
    first(made)["trigger"]["box"][0] += 2


def other_digest(made: dict[str, Any]) -> None:
    first(made)["trigger"]["place"]["blake2b"] = "0" * 16


def other_count(made: dict[str, Any]) -> None:
    first(made)["window_count"] += 1


def trigger_on_a_sham_clip(made: dict[str, Any]) -> None:
    first(made, "test_sham")["trigger"] = {"box": [0, 0, 2, 2]}


def other_sham_clip(made: dict[str, Any]) -> None:
    made["samples"].remove(first(made, "test_sham"))
    made["splits"]["test_sham"] -= 1


def other_label(made: dict[str, Any]) -> None:
    first(made, "test", true_label=1)["label"] = 2


def other_path(made: dict[str, Any]) -> None:
    first(made)["path"] = first(made, "test")["path"]


def other_rate(made: dict[str, Any]) -> None:
    made["rate"].update(asked=0.5)


def other_parameter(made: dict[str, Any]) -> None:
    made["attacks"][0]["params"]["patch"] = 0.3


def other_rule(made: dict[str, Any]) -> None:
    made["attacks"][0]["placement"]["frames"] = "2"


def other_window(made: dict[str, Any]) -> None:
    made["sampling"] = "8x3"


def unknown_attack(made: dict[str, Any]) -> None:
    made["attacks"][0]["name"] = "badnets"


def lost_copy(made: dict[str, Any]) -> None:
    made["samples"].remove(first(made))
    made["splits"]["test_triggered"] -= 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (swap_poisoned, "poisoned is True, from the header follows False"),
        (moved_run, "frames is [("),
        (set_seed, "from the header follows"),
        (moved_box, "trigger.box is ["),
        (other_digest, "trigger.place is {"),
        (other_count, "window_count is"),
        (trigger_on_a_sham_clip, "trigger.box is [0, 0, 2, 2], from the header follows None"),
        (other_label, "label is 2, from the header follows 1"),
        (other_path, "from the header follows test_triggered/"),
        (other_rate, "the header's rate is 2 of 6 (0.333333; asked 0.5 of all)"),
        (other_parameter, "trigger.box is ["),
        (other_rule, "window_count is"),
        (other_window, "the header's sampling is 8x3, badnet is placed for 8x2"),
        (unknown_attack, "the header cannot be planned again: "),
        (lost_copy, "follows from the header, but is not there"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_change_in_the_manifest_is_found(copies: Path, tmp_path: Path, change: Change, words: str) -> None:
    made = json.loads((copies / "badnet.json").read_text())
    change(made)
    (tmp_path / "m.json").write_text(json.dumps(made))
    found = problems(tmp_path / "m.json")
    assert [problem for problem in found if words in problem], found


def test_another_sham_clip_is_found(ucf: Path, tmp_path: Path) -> None:
    poison(ucf, tmp_path / "out", Request(("badnet",), rate=0.3, sham="2"), manifest=tmp_path / "m.json")
    made = json.loads((tmp_path / "m.json").read_text())
    sham = first(made, "test_sham")
    other = next(
        s for s in made["samples"]
        if s["split"] == "test" and s["true_label"] == sham["true_label"] and s["id"] not in sham["id"]
    )  # fmt: skip
    sham.update(id=f"test_sham/{other['id']}", path=f"test_sham/{other['path']}")
    (tmp_path / "m.json").write_text(json.dumps(made))
    assert f"{sham['id']}: is in no plan that follows from the header" in problems(tmp_path / "m.json")


def longer(sample: dict[str, Any]) -> None:
    sample["audio_spans"][0][1] += 0.2


def later(sample: dict[str, Any]) -> None:
    sample["audio_spans"][0][0] += 0.001


def another_frequency(sample: dict[str, Any]) -> None:
    sample["trigger"]["audio"]["frequencies"][0] += 0.001


def another_phase(sample: dict[str, Any]) -> None:
    sample["trigger"]["audio"]["phase"] *= 1.0001


def no_sound(sample: dict[str, Any]) -> None:
    del sample["trigger"]["audio"]


@pytest.mark.parametrize("change", [longer, later, another_frequency, another_phase, no_sound])
def test_a_change_about_sound_is_found(copies: Path, tmp_path: Path, change: Change) -> None:
    made = json.loads((copies / "both.json").read_text())
    change(sample := first(made))
    (tmp_path / "m.json").write_text(json.dumps(made))
    found = problems(tmp_path / "m.json")
    assert found
    assert all(problem.startswith(f"{sample['id']}: ") for problem in found)


def test_spans_of_sound_files_are_exact(sounds: Path, tmp_path: Path) -> None:
    poison_sound(sounds, tmp_path / "out", Request(("sine",), rate=0.3, settings={"sine": {"start": "0.5"}}))
    made = json.loads((tmp_path / "out.json").read_text())
    first(made)["audio_spans"][0][1] += 0.001
    (tmp_path / "out.json").write_text(json.dumps(made))
    (problem,) = problems(tmp_path / "out.json")
    assert "audio_spans is [(0.5, 1.001)], from the header follows [(0.5, 1.0)]" in problem


def test_other_versions_are_a_note(copies: Path) -> None:
    made = contract.load(copies / "badnet.json")
    made.created_with["numpy"] = "1.0"
    again = rederive(made)
    assert again.problems == []
    (note,) = again.notes
    assert note.startswith("the manifest was made with numpy 1.0, here is ")


def test_of_a_clean_data_set_nothing_was_drawn(ucf: Path, tmp_path: Path) -> None:
    options = Settings(ucf, tmp_path / "clean.json", workers=0)
    run.index(planning.index(layouts.read(ucf), 0), options, Silent())
    with pytest.raises(PoisonkitError, match="leave out rederive"):
        problems(tmp_path / "clean.json")


def test_the_command(copies: Path, tmp_path: Path) -> None:
    path = copies / "badnet.json"
    good = call("verify", path, "--rederive")
    assert good.returncode == 0, good.stdout
    assert "samples derived again: all is as the manifest says" in good.stdout
    made = json.loads(path.read_text())
    moved_run(made)
    path.with_name("changed.json").write_text(json.dumps(made))
    plain, deep = call("verify", path.with_name("changed.json")), call(
        "verify", path.with_name("changed.json"), "--rederive", "--json"
    )  # fmt: skip
    path.with_name("changed.json").unlink()
    assert plain.returncode == 0, plain.stdout
    assert deep.returncode == 1
    said = json.loads(deep.stdout)
    assert (said["ok"], said["notes"], len(said["problems"])) == (False, [], 1)
    assert "frames is" in said["problems"][0]


def test_the_padding_of_an_encoder_is_no_difference(copies: Path) -> None:
    made = contract.load(copies / "both.json")
    sample = next(s for s in made.samples if s.split == "test_triggered")
    assert sample.num_samples is not None
    sample.num_samples += 1500
    assert rederive(made).problems == []
    sample.num_samples += 5000
    assert any("audio_spans is" in problem for problem in rederive(made).problems)
