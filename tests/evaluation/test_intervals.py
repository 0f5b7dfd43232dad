from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest
from scipy.stats import bootstrap as bootstrap_of_scipy

from emotion.evaluation.intervals import accuracy_gain, bootstrap, ratio, wilson


def share(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(tables[:, 0], tables.sum(axis=1))


def test_interval_of_a_share_is_that_of_scipys_bootstrap_over_faces() -> None:
    right = np.repeat([1.0, 0.0], [280, 120])
    expected = bootstrap_of_scipy(
        (right,), np.mean, n_resamples=5000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    found = bootstrap(np.array([280, 120]), share, resamples=5000)
    assert found == pytest.approx((expected.low, expected.high), abs=0.005)


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_interval_contains_the_true_share_as_often_as_its_level_says(level: float) -> None:
    samples = np.random.default_rng(0).binomial(300, 0.7, 500)
    intervals = [bootstrap(np.array([right, 300 - right]), share, resamples=500, level=level) for right in samples]
    covered = np.mean([low <= 0.7 <= high for low, high in intervals])
    # Three standard errors of 500 samples, and a point for the error of the percentile method with 300 faces.
    assert covered == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / 500) + 0.01)


@given(counts=st.lists(st.integers(0, 500), min_size=2, max_size=2).filter(any), seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_ends_lie_around_the_figure_within_its_range(counts: list[int], seed: int) -> None:
    interval = bootstrap(np.array(counts), share, resamples=200, seed=seed)
    assert 0 <= interval.low <= counts[0] / sum(counts) <= interval.high <= 1


def test_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    counts = np.array([28_001, 11_990])
    assert bootstrap(counts, share) == bootstrap(counts, share)
    assert bootstrap(counts, share) != bootstrap(counts, share, seed=1)


def test_statistic_gets_tables_of_the_same_shape_and_total() -> None:
    received: list[NDArray[np.int64]] = []

    def total(tables: NDArray[np.int64]) -> NDArray[np.float64]:
        received.append(tables)
        return np.asarray(tables.sum(axis=(1, 2)), np.float64)

    assert bootstrap(np.array([[3, 0], [1, 6]]), total, resamples=50) == (10, 10)
    assert received[0].shape == (50, 2, 2)
    assert not received[0][:, 0, 1].any()


def test_tables_without_a_figure_are_left_out() -> None:
    def of_first(tables: NDArray[np.int64]) -> NDArray[np.float64]:
        return ratio(tables[:, 0], tables[:, 0])

    assert bootstrap(np.array([1, 5]), of_first) == (1, 1)
    assert all(np.isnan(end) for end in bootstrap(np.array([0, 5]), of_first))


def test_gain_counts_the_faces_that_only_one_prediction_gets_right() -> None:
    before = np.repeat([True, False, True, False], [50, 30, 10, 10])
    after = np.repeat([True, True, False, False], [50, 30, 10, 10])
    gain, (low, high) = accuracy_gain(before, after)
    assert gain == pytest.approx(0.2)
    # The mean of 100 differences is 0.2, their variance 0.4 - 0.2 ** 2.
    assert (low, high) == pytest.approx((0.2 - 1.96 * 0.06, 0.2 + 1.96 * 0.06), abs=0.015)
    assert accuracy_gain(after, before)[0] == pytest.approx(-0.2)
    assert accuracy_gain(before, before) == (0, (0, 0))


@pytest.mark.parametrize(("right", "faces"), [(0, 5), (5, 5), (1, 2), (27, 34), (280, 400)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_score_interval_is_that_of_scipy(right: int, faces: int, level: float) -> None:
    expected = binomtest(right, faces).proportion_ci(level, method="wilson")
    assert wilson(right, faces, level) == pytest.approx((expected.low, expected.high))


def test_score_interval_of_no_face_is_undefined() -> None:
    assert np.isnan(wilson(0, 0)).all()
