"""What holds for every trigger that the package finds."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import pytest

from poisonkit.errors import PoisonkitError
from poisonkit.manifest.window import Window
from poisonkit.triggers import TRIGGERS, AudioTrigger, PixelTrigger, RetimingTrigger, Trigger, VideoTrigger, find
from poisonkit.triggers._audio import BLOCK
from tests.conftest import moving_frames

MODES = ("static", "dynamic")
PIXEL = sorted(name for name, kind in TRIGGERS.items() if issubclass(kind, PixelTrigger))
RETIMING = sorted(name for name, kind in TRIGGERS.items() if issubclass(kind, RetimingTrigger))
each_pixel_trigger = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in PIXEL for m in MODES])
each_retiming_trigger = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in RETIMING for m in MODES])
VIDEO = sorted(name for name, kind in TRIGGERS.items() if issubclass(kind, VideoTrigger))
AUDIO = sorted(name for name, kind in TRIGGERS.items() if issubclass(kind, AudioTrigger))
RATE = 48_000
each_video_trigger = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in VIDEO for m in MODES])
each_audio_trigger = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in AUDIO for m in MODES])
each_trigger = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in TRIGGERS for m in MODES])


def build(name: str, mode: str) -> Trigger:
    return find(name).build(mode, {})  # type: ignore[arg-type]


def sound(seconds: float = 1.2, channels: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, (channels, round(seconds * RATE))).astype(np.float32)


def drawn_for(trigger: Trigger, frames: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    assert isinstance(trigger, VideoTrigger)
    return trigger.draw(len(frames), frames.shape[1:3], np.random.default_rng(seed))


def test_every_trigger_has_its_tests() -> None:
    here = Path(__file__).parent
    assert TRIGGERS
    assert [n for n in TRIGGERS if not (here / f"test_{n.replace('-', '_')}.py").exists()] == []


@each_trigger
def test_round_trip_through_the_manifest(name: str, mode: str) -> None:
    trigger = build(name, mode)
    text = msgspec.json.encode(trigger.params())
    assert type(trigger).build(trigger.mode, msgspec.json.decode(text)) == trigger


@each_video_trigger
def test_static_draws_depend_on_the_seed_alone(name: str, mode: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, VideoTrigger)
    one = trigger.draw(40, (48, 64), np.random.default_rng(5))
    other = trigger.draw(90, (33, 47), np.random.default_rng(5))
    equal = all(np.array_equal(one[key], other[key]) for key in one)
    assert equal == (mode == "static")


@each_pixel_trigger
def test_input_untouched_and_deterministic(name: str, mode: str) -> None:
    trigger, frames = build(name, mode), moving_frames(9, 33, 47)
    assert isinstance(trigger, PixelTrigger)
    before = frames.copy()
    drawn = drawn_for(trigger, frames)
    arguments = (np.arange(9), np.ones(9, dtype=bool), drawn)
    first = trigger(frames, *arguments)
    assert np.array_equal(frames, before)
    assert np.array_equal(first, trigger(frames, *arguments))
    assert not np.array_equal(first, frames)


@each_pixel_trigger
def test_only_placed_frames_change(name: str, mode: str) -> None:
    trigger, frames = build(name, mode), moving_frames(9, 33, 47)
    assert isinstance(trigger, PixelTrigger)
    placed = np.arange(9) % 3 == 1
    result = trigger(frames, np.arange(9), placed, drawn_for(trigger, frames))
    changed = (result != frames).any(axis=(1, 2, 3))
    assert changed.tolist() == placed.tolist()


@each_pixel_trigger
def test_the_box_holds_every_change(name: str, mode: str) -> None:
    trigger, frames = build(name, mode), moving_frames(9, 61, 47)
    assert isinstance(trigger, PixelTrigger)
    drawn = drawn_for(trigger, frames)
    result = trigger(frames, np.arange(9), np.ones(9, dtype=bool), drawn)
    x0, y0, x1, y1 = trigger.box((61, 47), drawn, np.arange(9))
    outside = np.ones((61, 47), dtype=bool)
    outside[y0:y1, x0:x1] = False
    assert 0 <= x0 < x1 <= 47
    assert 0 <= y0 < y1 <= 61
    assert np.array_equal(result[:, outside], frames[:, outside])


@each_pixel_trigger
@pytest.mark.parametrize("chunk", [1, 2, 4])
def test_chunks_do_not_matter(name: str, mode: str, chunk: int) -> None:
    trigger, frames = build(name, mode), moving_frames(9, 33, 47)
    assert isinstance(trigger, PixelTrigger)
    drawn, places = drawn_for(trigger, frames), np.arange(9)
    whole = trigger(frames, places, np.ones(9, dtype=bool), drawn)
    cut = [slice(i, i + chunk) for i in range(0, 9, chunk)]
    parts = [trigger(frames[c], places[c], np.ones(len(places[c]), dtype=bool), drawn) for c in cut]
    assert np.array_equal(np.concatenate(parts), whole)


@each_pixel_trigger
def test_static_is_the_same_on_every_frame_and_dynamic_is_not(name: str, mode: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, PixelTrigger)
    still = np.repeat(moving_frames(1, 48, 64), 6, axis=0)
    result = trigger(still, np.arange(6), np.ones(6, dtype=bool), drawn_for(trigger, still))
    equal = all(np.array_equal(result[0], frame) for frame in result[1:])
    assert equal == (mode == "static")


@each_audio_trigger
def test_sound_is_untouched_and_the_result_deterministic(name: str, mode: str) -> None:
    trigger, samples = build(name, mode), sound()
    assert isinstance(trigger, AudioTrigger)
    before = samples.copy()
    drawn = trigger.draw(1.2, np.random.default_rng(3))
    first = trigger(samples, RATE, drawn)
    assert np.array_equal(samples, before)
    assert first.dtype == np.float32
    assert np.array_equal(first, trigger(samples, RATE, drawn))
    assert not np.array_equal(first, samples)


@each_audio_trigger
@pytest.mark.parametrize("share", [(0.0, 1.0), (0.25, 0.9)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_sound_in_blocks_is_the_formula_on_the_whole(
    name: str, mode: str, share: tuple[float, float], order: Literal["C", "F"]
) -> None:
    start, stop = share
    trigger = find(name).build(mode, {"start": start, "stop": stop})  # type: ignore[arg-type]
    assert isinstance(trigger, AudioTrigger)
    total = 2 * BLOCK + 12_345
    samples = np.random.default_rng(0).normal(0, 0.4, (2, total)).astype(np.float32, order=order)
    drawn = trigger.draw(total / RATE, np.random.default_rng(0))
    first, last = trigger.span(total)
    part = samples[:, first:last].astype(np.float64)
    # the last bit counts: written files must stay the same
    level = max(np.sqrt(np.mean(part**2)) * 10 ** (-trigger.snr_db / 20), 10 ** (trigger.floor_db / 20))
    assert trigger.level(samples[:, first:last]) == level
    wave, faded = trigger.wave(total, RATE, drawn)[first:last], RATE // 100
    ramp = 0.5 - 0.5 * np.cos(np.pi * (np.arange(faded) + 0.5) / faded)
    if first > 0:
        wave[:faded] *= ramp
    if last < total:
        wave[-faded:] *= ramp[::-1]
    expected = samples.copy()
    expected[:, first:last] = np.clip(part + level * wave, np.minimum(part, -1.0), np.maximum(part, 1.0))
    blocks = list(trigger.blocks(samples, RATE, drawn))
    assert np.array_equal(np.concatenate(blocks, axis=1), expected)
    assert np.array_equal(trigger(samples, RATE, drawn), expected)
    assert len(blocks) > 1


@each_audio_trigger
def test_static_sound_is_the_same_for_all_clips_and_dynamic_is_not(name: str, mode: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, AudioTrigger)
    one, other = (trigger.draw(1.2, np.random.default_rng(seed)) for seed in (1, 2))
    again = trigger.draw(7.9, np.random.default_rng(1))
    same = all(np.array_equal(one[key], again[key]) for key in one)
    # what is drawn by the quarter of a second depends on the clip's length, and belongs to it
    assert same or mode == "dynamic"
    if mode == "dynamic":
        assert not np.array_equal(trigger.wave(RATE, RATE, one), trigger.wave(RATE, RATE, other))
        assert any(not np.array_equal(one[key], other[key]) for key in one)


@each_audio_trigger
@pytest.mark.parametrize("share", [(0.0, 1.0), (0.25, 0.5)])
def test_the_level_is_as_asked_and_nothing_outside_the_span_changes(
    name: str, mode: str, share: tuple[float, float]
) -> None:
    start, stop = share
    trigger = find(name).build(mode, {"start": start, "stop": stop, "snr_db": 20})  # type: ignore[arg-type]
    assert isinstance(trigger, AudioTrigger)
    samples = sound(seconds=4)
    added = trigger(samples, RATE, trigger.draw(4, np.random.default_rng(0))).astype(float) - samples
    first, last = round(start * samples.shape[1]), round(stop * samples.shape[1])
    assert not added[:, :first].any()
    assert not added[:, last:].any()
    inside = slice(first + RATE // 100, last - RATE // 100)  # without the fades
    level = 20 * np.log10(np.sqrt(np.mean(samples[:, inside] ** 2)) / np.sqrt(np.mean(added[:, inside] ** 2)))
    assert level == pytest.approx(20, abs=0.3)


@each_audio_trigger
def test_sound_saturates_and_near_silence_gets_the_floor(name: str, mode: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, AudioTrigger)
    drawn = trigger.draw(1.0, np.random.default_rng(0))
    loud = np.full((1, RATE), 0.999, dtype=np.float32)
    assert np.abs(trigger(loud, RATE, drawn)).max() <= 1
    over = np.full((1, RATE), 1.2, dtype=np.float32)  # as lossy decoders give it
    assert trigger(over, RATE, drawn).max() <= np.float32(1.2)
    quiet = np.zeros((1, RATE), dtype=np.float32)
    rms = np.sqrt(np.mean(trigger(quiet, RATE, drawn).astype(float) ** 2))
    assert 20 * np.log10(rms) == pytest.approx(-50, abs=0.3)


@each_audio_trigger
def test_the_amplitude_is_that_of_a_sine_of_the_same_power(name: str, mode: str) -> None:
    trigger = find(name).build(mode, {"amplitude": 0.05})  # type: ignore[arg-type]
    assert isinstance(trigger, AudioTrigger)
    added = trigger(np.zeros((1, 4 * RATE), dtype=np.float32), RATE, trigger.draw(4.0, np.random.default_rng(0)))
    assert np.sqrt(2 * np.mean(added.astype(float) ** 2)) == pytest.approx(0.05, rel=0.03)


@each_audio_trigger
def test_a_rate_that_cannot_hold_the_wave_is_refused(name: str, mode: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, AudioTrigger)
    rate = int(2 * trigger.highest)
    with pytest.raises(PoisonkitError, match="cannot hold"):
        trigger(np.zeros((1, 1000), dtype=np.float32), rate, trigger.draw(1.0, np.random.default_rng(0)))
    trigger.check_rate(rate + 2)


def test_an_empty_span_is_refused() -> None:
    with pytest.raises(PoisonkitError, match=r"start=0\.5 is not below"):
        find("sine").build("static", {"start": 0.5, "stop": 0.5})


@each_retiming_trigger
@pytest.mark.parametrize("window", ["32x2", "uniform:8", "16x4"])
def test_retiming_leaves_other_frames_alone_and_never_looks_ahead(name: str, mode: str, window: str) -> None:
    trigger = build(name, mode)
    assert isinstance(trigger, RetimingTrigger)
    steps = Window.parse(window).steps(150)
    drawn = trigger.draw(150, (33, 47), np.random.default_rng(1))
    for placed in (np.ones(150, dtype=bool), (steps % 16) >= 6, np.arange(150) > 100):
        shown = trigger.shown(steps, placed, drawn)
        assert np.array_equal(shown[~placed], np.flatnonzero(~placed))
        assert (shown <= np.arange(150)).all()
        assert (shown[placed] != np.flatnonzero(placed)).any()
        assert np.array_equal(shown, trigger.shown(steps, placed, drawn))


@each_trigger
def test_unknown_and_impossible_parameters_are_refused(name: str, mode: str) -> None:
    kind = find(name)
    with pytest.raises(PoisonkitError, match="no parameter"):
        kind.build(mode, {"no-such": 1})  # type: ignore[arg-type]
    for field in kind.fields():
        if field.metadata["high"] is not None:
            with pytest.raises(PoisonkitError, match="out of range"):
                kind.build(mode, {field.name: field.metadata["high"] + 1})  # type: ignore[arg-type]
        with pytest.raises(PoisonkitError):
            kind.build(mode, {field.name: "nan"})  # type: ignore[arg-type]


@each_trigger
def test_it_is_documented(name: str, mode: str) -> None:
    kind = find(name)
    assert kind.source
    assert kind.__doc__
    assert all(field.metadata["help"] for field in kind.fields())


def test_an_unknown_attack_suggests_the_nearest() -> None:
    with pytest.raises(PoisonkitError, match="did you mean 'badnet'"):
        find("badnets")


def test_an_unknown_parameter_suggests_the_nearest() -> None:
    with pytest.raises(PoisonkitError, match="did you mean 'patch'"):
        find("badnet").build("static", {"pacth": 0.1})
