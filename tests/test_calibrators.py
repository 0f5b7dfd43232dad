from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import softmax

from emotion.calibrators import fit_adjustment, fit_temperature


def one_hot(labels: NDArray[np.integer], classes: int) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = np.eye(classes, dtype=np.float32)[labels]
    return rows


def test_adjustment_is_a_share_of_the_logarithm_of_the_mean_probability() -> None:
    probabilities = np.array([[0.9, 0.08, 0.02], [0.5, 0.4, 0.1]])
    expected = -0.25 * np.log([0.7, 0.24, 0.06])
    np.testing.assert_allclose(fit_adjustment(np.log(probabilities) + 3, 0.25), expected, atol=1e-6)


def test_adjustment_makes_rare_classes_more_frequent_and_common_ones_rarer() -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(5000, 3)) + [2, 0, -1]
    before = np.bincount(values.argmax(axis=1), minlength=3)
    after = np.bincount((values + fit_adjustment(values, 0.5)).argmax(axis=1), minlength=3)
    assert after[0] < before[0]
    assert after[2] > before[2]


def test_adjustment_of_equally_frequent_classes_changes_no_prediction() -> None:
    values = np.random.default_rng(0).normal(size=(50, 3))
    rotated = np.concatenate([np.roll(values, turn, axis=1) for turn in range(3)])
    assert np.ptp(fit_adjustment(rotated, 0.9)) < 1e-6


@pytest.mark.parametrize("strength", [0, 0.9])
def test_class_that_is_never_expected_gets_a_finite_adjustment_and_no_prediction(strength: float) -> None:
    values = np.array([[0.0, 1.0, -2000.0], [1.0, 0.0, -2000.0]])
    adjustment = fit_adjustment(values, strength)
    assert np.isfinite(adjustment).all()
    assert (values + adjustment).argmax(axis=1).tolist() == [1, 0]
    assert strength or not adjustment.any()


@pytest.mark.parametrize("temperature", [0.4, 1.0, 2.5])
def test_temperature_of_scaled_logits_is_found(temperature: float) -> None:
    generator = np.random.default_rng(0)
    truth = generator.normal(scale=2, size=(20_000, 7))
    labels = (truth + generator.gumbel(size=truth.shape)).argmax(axis=1)
    assert fit_temperature(truth * temperature, one_hot(labels, 7)) == pytest.approx(temperature, rel=0.03)


def test_temperature_fitted_to_votes_gives_back_the_share_of_the_raters() -> None:
    values = np.random.default_rng(0).normal(scale=2, size=(500, 7))
    shares = softmax(values, axis=1).astype(np.float32)
    labels = one_hot(np.random.default_rng(1).permutation(shares.argmax(axis=1)), 7)
    assert fit_temperature(3 * values, shares) == pytest.approx(3, rel=1e-3)
    assert fit_temperature(3 * values, labels) > 10


def test_temperature_stays_in_its_bounds() -> None:
    right = one_hot(np.arange(10) % 2, 2)
    assert fit_temperature(right.astype(np.float64), right) == pytest.approx(0.05, rel=0.01)
    assert fit_temperature(1000 * (1 - right.astype(np.float64)), right) == pytest.approx(20, rel=0.01)
