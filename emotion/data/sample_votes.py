"""Draws the votes of ten raters for each drawn face, from the expressions that its action units are close to."""

from __future__ import annotations

import csv
import io
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from emotion.data.sample_faces import ACTION_UNITS, list_faces, random_units
from emotion.votes import CHOICES, HEADER

RATERS: Final = 10

TOLERANCE: Final = 1.0
"""Distance of action units (root of the summed squares) at which an expression has 1/e of the weight of a match."""


def draw_table(counts: dict[str, int], seed: int) -> bytes:
    """Draw the votes for the faces of `sample_faces.draw_members`.

    Returns:
        A csv with the columns of FER+, whose image names are the member names.
    """
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HEADER)
    for name, expression, seeds in list_faces(counts, seed):
        # The same units as those of the drawn face, because these are the first that it draws.
        units = random_units(expression, np.random.default_rng(seeds))
        votes = draw_votes(units, np.random.default_rng([*seeds, RATERS]))
        writer.writerow([name.split("/")[-1].split("_")[0], name, *votes.tolist()])
    return table.getvalue().encode()


def draw_votes(units: dict[int, float], generator: Generator) -> NDArray[np.int64]:
    """Draw the votes for a face: the closer an expression is to its action units, the more raters see it.

    Args:
        units: intensity (0-1) of each action unit of the face.
        generator: source of the random numbers.

    Returns:
        int64, shape (10,), columns as `votes.CHOICES`, sum `RATERS`. No rater sees contempt, nothing or no face.
    """
    squared = [
        sum((intensity - ACTION_UNITS[name].get(unit, 0)) ** 2 for unit, intensity in units.items())
        if name in ACTION_UNITS
        else np.inf
        for name in CHOICES
    ]
    closeness = np.exp(-np.array(squared) / TOLERANCE**2)
    return generator.multinomial(RATERS, closeness / closeness.sum())
