"""How far a figure could have come out otherwise by the luck of the faces: intervals by the bootstrap.

A figure is a function of how many faces fell into each cell of a table, such as a confusion matrix. The faces count as
drawn independently of one another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL: Final = 0.95
"""Share of all such intervals that hold the true figure."""

RESAMPLES: Final = 2000
SEED: Final = 0

Statistic = Callable[[NDArray[np.int64]], NDArray[np.float64]]
"""From tables of counts, int64, shape (resamples, *cells), to one figure each, float64, shape (resamples,)."""


class Interval(NamedTuple):
    """Where a figure lies with the probability of a level."""

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
    """Compute the percentile interval of a figure over faces drawn anew with replacement.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), section 13.3. Faces of one cell are the same to the
    figure, so drawing n faces with replacement is drawing the counts of the cells from a multinomial distribution.

    Args:
        counts: integer, any shape, faces in each cell, such as a confusion matrix; of two networks on the same faces,
            faces by whether the first and whether the second is right.
        statistic: the figure of each of many such tables; NaN for a table that has none, which is then left out.
        resamples: how often the faces are drawn anew.
        seed: equal seeds draw the same faces.
        level: share of the resampled figures between both ends, 0-1.

    Returns:
        The lower and upper end; NaN where no table has a figure.
    """
    draws = np.random.default_rng(seed).multinomial(counts.sum(), counts.ravel() / counts.sum(), size=resamples)
    figures = statistic(draws.reshape(resamples, *counts.shape))
    figures = figures[~np.isnan(figures)]
    if not len(figures):
        return Interval(np.nan, np.nan)
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def accuracy_gain(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, Interval]:
    """Compute by how much accuracy differs between two answers to the same faces, with its interval.

    Args:
        before: shape (n,), whether the first answer to each face is right.
        after: shape (n,), whether the second one is.

    Returns:
        Accuracy after less accuracy before, -1 to 1.
    """
    counts = np.array([np.sum(after & ~before), np.sum(before & ~after), np.sum(before == after)])
    return float(_gain(counts[None])[0]), bootstrap(counts, _gain)


def ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide counts by counts, to NaN where the whole is nothing."""
    shares: NDArray[np.float64] = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return shares


def _gain(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    return ratio(tables[:, 0] - tables[:, 1], tables.sum(axis=1))
