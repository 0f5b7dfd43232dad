"""Confidence intervals: the bootstrap, and Wilson's for a share of a few faces.

The bootstrap computes a figure from the number of faces in each cell of a table, such as a confusion matrix. The faces
are taken to be independent of one another.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from statistics import NormalDist
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
"""Confidence level: the share of such intervals that contain the true figure."""

RESAMPLES: Final = 2000
SEED: Final = 0

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""From tables of counts, int64, shape (resamples, *cells), to the figure of each, float64, shape (resamples,)."""


class Interval(NamedTuple):
    """Both ends of a confidence interval."""

    low: float
    high: float


def bootstrap(
    counts: NDArray[np.integer],
    statistic: Statistic,
    *,
    resamples: int = RESAMPLES,
    seed: int = SEED,
    level: float = LEVEL,
) -> Interval:
    """Compute the percentile interval of a figure over faces resampled with replacement.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3. The figure depends only on the counts
    of the cells, so resampling n faces means drawing these counts from a multinomial distribution.

    Args:
        counts: integer, any shape, the number of faces in each cell.
        statistic: computes the figure of each of many such tables; NaN for a table without one, which is left out.
        resamples: number of resampled tables.
        seed: equal seeds give equal tables.
        level: share of the resampled figures between both ends, 0-1.

    Returns:
        The lower and the upper end; NaN where no table has a figure.
    """
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts.ravel() / counts.sum(), size=resamples)
    figures = statistic(draws.reshape(resamples, *counts.shape))
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return Interval(np.nan, np.nan)
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def wilson(successes: int, trials: int, level: float = LEVEL) -> Interval:
    """Compute the score interval of a share; unlike the bootstrap's, it has a width where all or no trials succeed.

    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference" (JASA, 1927).

    Args:
        successes: 0 to `trials`.
        trials: independent of one another.
        level: the confidence level, 0-1.

    Returns:
        The lower and the upper end, 0-1; NaN without trials.
    """
    if not trials:
        return Interval(np.nan, np.nan)
    z = NormalDist().inv_cdf((1 + level) / 2)
    centre = (successes + z**2 / 2) / (trials + z**2)
    margin = z / (trials + z**2) * sqrt(successes * (trials - successes) / trials + z**2 / 4)
    return Interval(max(0.0, centre - margin), min(1.0, centre + margin))


def accuracy_gain(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, Interval]:
    """Compute the difference in accuracy between two predictions for each of the same faces.

    Args:
        before: shape (n,), whether the first prediction is correct.
        after: shape (n,), whether the second one is.

    Returns:
        Accuracy after minus accuracy before, -1 to 1, and its interval.
    """
    counts = np.array([np.sum(after & ~before), np.sum(before & ~after), np.sum(before == after)])
    return float(_gain(counts[None])[0]), bootstrap(counts, _gain)


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide counts by counts; NaN where the divisor is 0."""
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares


def _gain(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(tables[:, 0] - tables[:, 1], tables.sum(axis=1))
