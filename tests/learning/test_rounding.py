from __future__ import annotations

import zlib

import numpy as np

from emotion.learning.rounding import shorten

WEIGHTS = np.random.default_rng(0).normal(scale=0.05, size=(64, 3, 3, 32)).astype(np.float32)


def test_weights_change_by_less_than_the_last_bit_of_float16() -> None:
    assert np.abs(shorten(WEIGHTS) / WEIGHTS - 1).max() <= 2.0**-11
    assert (shorten(WEIGHTS) == WEIGHTS).mean() < 0.01


def test_weights_of_every_size_keep_sign_zero_and_type() -> None:
    values = np.array([0, -1e-30, 1e-30, 1e30, -1e30, 1, -1], np.float32)
    assert shorten(values).dtype == np.float32
    np.testing.assert_allclose(shorten(values), values, rtol=2.0**-11)


def test_rounding_twice_changes_nothing_more() -> None:
    np.testing.assert_array_equal(shorten(shorten(WEIGHTS)), shorten(WEIGHTS))


def test_rounded_weights_compress_to_two_thirds() -> None:
    sizes = [len(zlib.compress(weights.tobytes())) for weights in (shorten(WEIGHTS), WEIGHTS)]
    assert sizes[0] < 2 / 3 * sizes[1]
