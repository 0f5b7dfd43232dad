"""How far pictures are from the test split, in words and tables: for `emotion evaluate` and `emotion score`.

Written from what `evaluation.drift` returns; this module computes nothing and draws nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from emotion.markdown import table

Drift = Mapping[str, Any]
"""What `evaluation.drift.compare` returns, with the number of `faces` and their `size`."""

FEW_FACES: Final = 20
"""Least number of faces of which the report says how far they are from the test split."""


def say(drift: Drift | None) -> Iterator[str]:
    """Yield a line on what is unlike the test split, and one on what is alike; nothing without faces."""
    if drift and drift["faces"] == 1:
        yield "One face is too few to compare it with the test split."
    elif drift and drift["faces"] < FEW_FACES:
        yield f"The {drift['faces']} found faces are too few to compare them with the test split."
    elif drift:
        measures = drift["measures"]
        apart = [each["reading"] for each in measures.values() if each["reading"]]
        alike = [name for name, each in measures.items() if not each["reading"]]
        if apart:
            yield f"Half of your faces are {'; half are '.join(apart)}."
        if alike:
            yield f"In {_enumerate(alike)}, your faces are like those of the test split."


def describe(drift: Drift | None, figure: str | None = None) -> Iterator[str]:
    """Yield the parts of the section on the test split, in Markdown; nothing without faces.

    Args:
        drift: None if no face was found.
        figure: file of the figure; None if there is none.
    """
    if not drift:
        return
    yield "## Distance from the test split"
    yield (
        f"Measured on {drift['faces']:,} found face{'' if drift['faces'] == 1 else 's'}. Of faces like those of the "
        "test split, 10% would lie outside its 5-95% range."
    )
    heading = ["", "yours: median (5-95%)", "test split: median (5-95%)", "outside", "half of yours are"]
    rows = [[name, *_measure_cells(name, each)] for name, each in drift["measures"].items()]
    size = drift["size"]
    yield table(heading, [["size in pixels", _range(size, 0), "48", "", _read_size(size)], *rows])
    if figure:
        yield f"![Light, contrast, sharpness, confidence and predicted classes, beside the test split]({figure})"
    classes = [[name, f"{each['share']:.1%}", f"{each['test']:.1%}"] for name, each in drift["classes"].items()]
    yield table(["predicted", "yours", "test split"], classes, numbers=True)
    yield (
        f"{drift['distance']:.1%} of the predictions would have to change for the same class shares (total variation "
        f"distance). For as many random faces of the test split, it is below {drift['distance_by_chance']:.1%} in 95 "
        "of 100 samples."
    )


def _measure_cells(name: str, measure: Drift) -> list[str]:
    decimals = 2 if name == "confidence" else 0
    return [
        _range(measure, decimals),
        _range(measure["test"], decimals),
        f"{measure['outside']:.0%}",
        measure["reading"] or "",
    ]


def _read_size(size: Drift) -> str:
    if not size["smaller"]:
        return ""
    return f"{size['smaller']:.0%} are smaller than 48 and are enlarged"


def _range(values: Drift, decimals: int) -> str:
    low, middle, high = (f"{values[name]:,.{decimals}f}" for name in ("q05", "q50", "q95"))
    return f"{middle} ({low}-{high})"


def _enumerate(texts: Sequence[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))
