"""How far pictures are from the test split: light, contrast and sharpness of the faces, and the predicted classes.

All of it is measured on the crops of 48x48 pixels that the network gets.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.files import read_json, rounded, write_csv
from emotion.images import FACE_SIZE

QUANTILES: Final = {"q05": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}

READINGS: Final = {
    "light": ("darker", "brighter"),
    "contrast": ("flatter", "richer in contrast"),
    "sharpness": ("more blurred", "sharper"),
    "confidence": ("less confidently classified", "more confidently classified"),
}
"""Words for a face that has less, and for one that has more of a measure."""

AT_ONCE: Final = 100
"""Faces that are measured at once."""

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
"""Share of the random samples whose distance lies below `distance_by_chance`."""


@dataclass(frozen=True)
class Reference:
    """What the shipped network saw and did on the test split.

    Attributes:
        quantiles: of each measure, by the names of `QUANTILES`.
        classes: class names in the order of the network.
        confusion: int64, shape (classes, classes), faces by actual (rows) and predicted class (columns).
        figures: the headline figures, 0-1.
    """

    quantiles: dict[str, dict[str, float]]
    classes: tuple[str, ...]
    confusion: NDArray[np.int64]
    figures: dict[str, float]


def measure(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Measure each face.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255; n is at least 1.

    Returns:
        float64, shape (n,), by name: `light` is the mean grey level, `contrast` the standard deviation of the grey
        levels. `sharpness` is the variance of the Laplacian in squared grey levels (Pech-Pacheco et al., "Diatom
        Autofocusing in Brightfield Microscopy", ICPR 2000); blur lowers it, and so does low contrast.
    """
    # A few at a time, because the computation takes 70 kB a face.
    parts = [_measure(faces[start : start + AT_ONCE]) for start in range(0, len(faces), AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure(faces: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    values = faces.astype(np.float64)
    neighbours = values[:, :-2, 1:-1] + values[:, 2:, 1:-1] + values[:, 1:-1, :-2] + values[:, 1:-1, 2:]
    laplacian = neighbours - 4 * values[:, 1:-1, 1:-1]
    both = (1, 2)
    return {"light": values.mean(both), "contrast": values.std(both), "sharpness": laplacian.var(both)}


def write_reference(path: Path, faces: NDArray[np.uint8], confidence: NDArray[np.float32]) -> None:
    """Write the quantiles of the measures and of the confidence on the test split, a line for each.

    Args:
        path: the csv.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n is at least 1.
        confidence: float32, shape (n,), the largest probability of each face, 0-1.
    """
    measured: dict[str, NDArray[np.floating]] = {**measure(faces), "confidence": confidence}
    rows = [[name, *_quantiles(values).values()] for name, values in measured.items()]
    write_csv(path, ["measure", *QUANTILES], rows)


def read_reference(folder: Path) -> Reference:
    """Read what is shipped about the test split: `test_faces.csv`, `test_confusion.csv` and `test.json`.

    Raises:
        DataError: a file is missing or damaged.
    """
    try:
        quantiles = {row.pop("measure"): _as_numbers(row) for row in _read_rows(folder / "test_faces.csv")}
        rows = _read_rows(folder / "test_confusion.csv")
        classes = tuple(row["actual"] for row in rows)
        counts = np.array([[int(row[name]) for name in classes] for row in rows], np.int64)
        return Reference(quantiles, classes, counts, read_json(folder / "test.json", ["accuracy"]))
    except (OSError, KeyError, ValueError) as error:
        raise DataError(
            f"the facts about the test split in {folder} cannot be read ({error}); install again"
        ) from error


def compare(
    faces: NDArray[np.uint8], confidence: NDArray[np.float64], predicted: Sequence[str], test: Reference
) -> dict[str, Any]:
    """Compare faces with those of the test split.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255; n is at least 1.
        confidence: float64, shape (n,), the largest probability of each face, 0-1.
        predicted: the predicted class of each face.
        test: the test split.

    Returns:
        As for `compare_measured`.
    """
    return compare_measured({**measure(faces), "confidence": confidence}, Counter(predicted), test)


def compare_measured(
    values: Mapping[str, NDArray[np.float64]], predicted: Mapping[str, int], test: Reference
) -> dict[str, Any]:
    """Compare faces that were measured before with those of the test split.

    Args:
        values: float64, shape (n,), by name: those of `measure`, and `confidence`; n is at least 1.
        predicted: number of faces by predicted class. It may count more faces than were measured.
        test: the test split.

    Returns:
        `measures`: by name the quantiles here and in `test`, the share of the faces `outside` 5-95% of the test split,
        and a `reading` in words, None for a median in the middle half of the test split. `classes`: by name the share
        of the predictions here and in `test`. `distance`: half the sum of the differences of these shares (total
        variation distance). `distance_by_chance`: 95% of random samples of as many faces of the test split are closer.
    """
    measures = {name: _compare_measure(name, values[name], bounds) for name, bounds in test.quantiles.items()}
    names = [*test.classes, *sorted(set(predicted) - set(test.classes))]
    counts = np.array([predicted.get(name, 0) for name in names])
    shares = np.zeros(len(names))
    shares[: len(test.classes)] = test.confusion.sum(axis=0) / test.confusion.sum()
    samples = np.random.default_rng(0).multinomial(counts.sum(), shares, RESAMPLES)
    return {
        "measures": measures,
        "classes": {
            name: {"share": rounded(count / counts.sum()), "test": rounded(share)}
            for name, count, share in zip(names, counts, shares, strict=True)
        },
        "distance": rounded(_distance(counts[None], shares)[0]),
        "distance_by_chance": rounded(np.quantile(_distance(samples, shares), LEVEL)),
    }


def describe_sizes(edges: Sequence[float]) -> dict[str, float]:
    """Return the quantiles of the edges of the faces in pixels, and the share below the 48 that the network gets."""
    sizes = np.array(edges, np.float64)
    return {**_quantiles(sizes), "smaller": rounded(np.mean(sizes < FACE_SIZE))}


def _compare_measure(name: str, values: NDArray[np.float64], test: Mapping[str, float]) -> dict[str, Any]:
    here = _quantiles(values)
    outside = np.mean((values < test["q05"]) | (values > test["q95"]))
    return {
        **here,
        "test": dict(test),
        "outside": rounded(outside),
        "reading": _put_into_words(name, here["q50"], test),
    }


def _put_into_words(name: str, median: float, test: Mapping[str, float]) -> str | None:
    """Say what half of the faces are, compared with the test split; None for a median in its middle half."""
    less, more = READINGS[name]
    for word, apart, share in (
        (less, median < test["q05"], 95),
        (more, median > test["q95"], 95),
        (less, median < test["q25"], 75),
        (more, median > test["q75"], 75),
    ):
        if apart:
            return f"{word} than {share}% of the test faces"
    return None


def _quantiles(values: NDArray[np.floating]) -> dict[str, float]:
    return {name: rounded(np.quantile(values, share)) for name, share in QUANTILES.items()}


def _distance(counts: NDArray[np.integer], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the total variation distance of each row of counts from the shares."""
    distances: NDArray[np.float64] = np.abs(counts / counts.sum(axis=1, keepdims=True) - shares).sum(axis=1) / 2
    return distances


def _read_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def _as_numbers(row: Mapping[str, str]) -> dict[str, float]:
    return {name: float(row[name]) for name in QUANTILES}
