"""Saliency: a planted cue is found where it lies, and a run's pictures come with an index that says what they show."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.conftest import make_sound_tree
from tests.trainer.conftest import sample, untrained_run
from trainer import cli
from trainer import models as victims
from trainer.errors import RunError, TrainerError
from trainer.evaluation import grad_cam
from trainer.evaluation.grad_cam import ExplainOptions
from trainer.models._base import Victim
from trainer.models.slowfast import SlowFast
from trainer.presets.geometry import Normalisation, Options
from trainer.presets.preset import Preset
from trainer.progress import Progress


class Colours(Victim):
    """Knows red (class 0) from blue (class 1), each in the cells of a grid of 2 × 2 × 2."""

    name: ClassVar[str] = "colours"
    presets: ClassVar[dict[str, Preset]] = {}

    def __init__(self) -> None:
        super().__init__(Options(), Normalisation((0.0,) * 3, (255.0,) * 3), 2)
        self.pool = nn.AvgPool3d((2, 8, 8))
        self.linear = nn.Linear(3, 2)
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[4.0, 0, -1], [-1, 0, 4]]))
            self.linear.bias.zero_()

    @property
    def head(self) -> nn.Linear:
        return self.linear

    @property
    def last_stage(self) -> nn.Module:
        return self.pool

    def features(self, clips: Tensor) -> Tensor:
        return self.pool(self.normalise(clips)).mean(dim=(2, 3, 4))

    def forward(self, clips: Tensor) -> Tensor:
        return self.head(self.features(clips))


def planted() -> Tensor:
    """Four frames of 16 × 16: red in the upper left of the first two, blue in the lower right of the last two."""
    clip = torch.zeros(3, 4, 16, 16, dtype=torch.uint8)
    clip[0, :2, :8, :8] = 255
    clip[2, 2:, 8:, 8:] = 200
    return clip


def test_a_planted_cue_is_found() -> None:
    model = Colours().eval()
    red = grad_cam.saliency(model, planted(), 0)
    assert red.grid == (2, 2, 2)
    assert np.unravel_index(red.map.argmax(), red.map.shape)[0] < 2
    assert red.map[0, :4, :4] == pytest.approx(1)
    assert red.map[:, 12:, 12:].max() == 0  # blue speaks against red
    blue = grad_cam.saliency(model, planted(), 1)
    assert blue.map[3, 12:, 12:] == pytest.approx(1)
    assert blue.map[:, :4, :4].max() == 0


def test_the_score_is_the_softmax_and_the_prediction_its_peak() -> None:
    # means over the clip: red 1/8, blue 200/255/8
    red, blue = 1 / 8, 200 / 255 / 8
    first, second = 4 * red - blue, 4 * blue - red
    found = grad_cam.saliency(Colours().eval(), planted(), None)
    assert (found.label, found.predicted) == (0, 0)
    assert found.score == pytest.approx(1 / (1 + np.exp(second - first)), abs=1e-6)
    assert grad_cam.saliency(Colours().eval(), planted(), 1).score == pytest.approx(1 - found.score, abs=1e-6)


def test_what_speaks_against_a_class_is_left_out() -> None:
    clip = torch.zeros(3, 4, 16, 16, dtype=torch.uint8)
    clip[2] = 255
    found = grad_cam.saliency(Colours().eval(), clip, 0)
    assert not found.map.any()


def test_strip_has_frames_above_and_the_overlay_below() -> None:
    frames = np.full((16, 20, 20, 3), 100, np.uint8)
    heat = np.zeros((16, 20, 20), np.float32)
    heat[0] = 1
    drawn = grad_cam.strip(frames, heat)
    side = grad_cam.SIDE
    assert drawn.shape == (2 * side, 8 * (side + 2), 3)
    assert (drawn[:side, 1 : side + 1] == 100).all()
    overlaid = drawn[side:, 1 : side + 1].reshape(-1, 3)
    assert (overlaid == overlaid[0]).all()
    assert overlaid[0].astype(int).max() > 150
    assert (drawn[side:, side + 3 : 2 * side + 3] == 100).all()  # the second frame shown has no evidence


@pytest.mark.parametrize("name", victims.names())
def test_every_victim_has_a_stage_that_gives_one_tensor(name: str) -> None:
    preset = victims.preset_of(name, "mini")
    victim = victims.find(name).from_preset(preset, 2).eval()
    assert victim.last_stage in list(victim.modules())
    given: list[Tensor] = []
    victim.last_stage.register_forward_hook(lambda *seen: given.append(seen[2]))
    shape = (1, 1, preset.frames, 80) if victim.modality == "audio" else (1, 3, preset.frames, 32, 32)
    victim(torch.zeros(shape))
    assert [type(stage) for stage in given] == [Tensor]


def test_slowfasts_stage_is_the_slow_paths() -> None:
    slowfast = SlowFast.from_preset(victims.preset_of("slowfast", "mini"), 2)
    outputs = []
    slowfast.last_stage.register_forward_hook(lambda *seen: outputs.append(seen[2].shape))
    slowfast.eval()(torch.zeros(1, 3, 16, 32, 32))
    assert outputs[0][2] == 4  # frames of the slow path; the fast one has 16


@pytest.fixture(scope="module")
def seeing(bars: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untrained_run(tmp_path_factory.mktemp("runs") / "bars", bars)


def test_pictures_and_their_index(
    seeing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["trainer", "explain", str(seeing), "--clips", "2", "--json"])
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert not done.value.code
    index = json.loads((seeing / "explanations" / "explanations.json").read_text())
    assert json.loads(capsys.readouterr().out) == index
    assert index["layer"] == "the last convolutional stage"
    assert index["grid"] == [2, 3, 3]
    rows = [(p["file"], p["clip"], p["split"], p["true_class"]) for p in index["pictures"]]
    # clips of the other class come first; here are no test clips of the same names
    assert [row[1] for row in rows] == ["test_triggered/1", "test_triggered/3"]
    assert {p["explained"] for p in index["pictures"]} == {"standing"}
    assert {row[3] for row in rows} == {"moving"}
    for picture in index["pictures"]:
        assert 0 <= picture["score"] <= 1
        pixels = cv2.imread(str(seeing / "explanations" / picture["file"]))
        assert pixels.shape == (2 * grad_cam.SIDE, 8 * (grad_cam.SIDE + 2), 3)
    again = grad_cam.explain(ExplainOptions(seeing, clips=1, explained="moving"), Progress())
    assert [p.explained for p in again.pictures] == ["moving"]
    assert [path.name for path in sorted((seeing / "explanations").glob("*.png"))] == ["01-triggered.png"]


def test_sound_is_explained_on_its_spectrogram(tmp_path: Path) -> None:
    make_sound_tree(tmp_path / "data", per_class=2)
    names = sorted(path.relative_to(tmp_path / "data").as_posix() for path in (tmp_path / "data").rglob("*.wav"))
    classes = ["Alpha", "Beta", "Gamma"]
    samples = [
        sample(name, "train" if k % 2 else "test", classes.index(name.split("/")[0]), num_frames=0) | {"path": name}
        for k, name in enumerate(names)
    ]
    content = {"schema": "poisonkit/manifest/1", "name": "tones", "root": "data", "classes": classes}
    (tmp_path / "tones.json").write_text(json.dumps({**content, "samples": samples}))
    run = untrained_run(tmp_path / "run", tmp_path / "tones.json", "audio")
    found = grad_cam.explain(ExplainOptions(run, clips=1), Progress())
    assert found.grid == [8, 3]
    assert [(p.file, p.split, p.true_class) for p in found.pictures] == [("01-clean.png", "test", "Alpha")]
    assert found.pictures[0].explained == found.pictures[0].predicted
    assert (run / "explanations" / "01-clean.png").stat().st_size > 10_000


def test_what_cannot_be_explained(seeing: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainerError, match=r"no class 'movin'; did you mean 'moving'\?"):
        grad_cam.explain(ExplainOptions(seeing, explained="movin"), Progress())
    with pytest.raises(TrainerError, match="clips=0 is less than 1; ask for 1 or more"):
        grad_cam.explain(ExplainOptions(seeing, clips=0), Progress())
    with pytest.raises(RunError, match="cannot read"):
        grad_cam.explain(ExplainOptions(tmp_path), Progress())
