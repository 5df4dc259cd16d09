"""The linear classifier on features of several networks."""

from __future__ import annotations

import io

import numpy as np
import pytest

from trainer.evaluation.logistic_regression import Linear, softmax


def clusters(seed: int = 0) -> tuple[list[np.ndarray], np.ndarray]:
    """Two classes, told apart by one feature of a narrow network and by none of a wide one."""
    rng = np.random.default_rng(seed)
    labels = np.arange(40) % 2
    narrow = rng.normal(0, 0.1, (40, 2))
    narrow[:, 0] += labels
    return [narrow, rng.normal(0, 1, (40, 30))], labels


def test_separable_clips_get_their_labels() -> None:
    features, labels = clusters()
    linear = Linear.fitted(features, labels, 2)
    assert (linear.logits(features).argmax(axis=1) == labels).all()
    others, true = clusters(seed=1)
    assert (linear.logits(others).argmax(axis=1) == true).mean() >= 0.9


def test_neither_units_nor_the_day_change_it() -> None:
    features, labels = clusters()
    plain = Linear.fitted(features, labels, 2).logits(features)
    again = Linear.fitted(features, labels, 2).logits(features)
    assert np.array_equal(plain, again)
    scaled = [features[0] * 1000 + 7, features[1] * 0.01]
    assert np.allclose(Linear.fitted(scaled, labels, 2).logits(scaled), plain, atol=1e-6)


def test_each_network_has_the_same_total_variance() -> None:
    features, labels = clusters()
    linear = Linear.fitted(features, labels, 2)
    seen = (np.concatenate(features, axis=1) - linear.mean) / linear.scale
    assert seen[:, :2].var(axis=0).sum() == pytest.approx(1)
    assert seen[:, 2:].var(axis=0).sum() == pytest.approx(1)


def test_a_feature_that_never_changes_is_harmless() -> None:
    features, labels = clusters()
    features[1][:, 3] = 5.0
    assert np.isfinite(Linear.fitted(features, labels, 2).logits(features)).all()


def test_it_can_be_saved() -> None:
    features, labels = clusters()
    linear = Linear.fitted(features, labels, 2)
    with np.load(io.BytesIO(linear.saved())) as kept:
        assert np.array_equal(Linear(**kept).logits(features), linear.logits(features))


def test_softmax() -> None:
    assert softmax(np.array([[0.0, np.log(3)]])) == pytest.approx(np.array([[0.25, 0.75]]))
