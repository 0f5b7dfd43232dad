"""Counts over partitions, which can be added up in any order, and a sample of the faces' measures of bounded size."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from emotion.scoring.partition import MEASURES

SAMPLE: Final = 100_000
"""Faces whose measures are kept for the comparison with the test split."""

COLUMNS: Final = (*MEASURES, "confidence")
"""Of the sample, after the random number of each face."""


@dataclass
class Statistics:
    """Counts of some partitions.

    Attributes:
        counts: pictures, faces, pictures without a face, faults, uncertain faces.
        labels: faces by label.
        faults: pictures by reason.
        detectors: pictures by the detector that searched them.
        sample: float64, shape (n, 1 + columns), a random number and `COLUMNS` of each face.
    """

    counts: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    detectors: Counter[str] = field(default_factory=Counter)
    sample: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 1 + len(COLUMNS))))

    def add(self, other: Statistics) -> None:
        """Add the counts of other partitions; of both samples, the faces with the smallest random numbers are kept."""
        self.counts.update(other.counts)
        self.labels.update(other.labels)
        self.faults.update(other.faults)
        self.detectors.update(other.detectors)
        both = np.concatenate([self.sample, other.sample])
        self.sample = both[np.argsort(both[:, 0], kind="stable")[:SAMPLE]]

    def measures(self) -> dict[str, NDArray[np.float64]]:
        """Return the sample by column, in the order of `COLUMNS`."""
        return dict(zip(COLUMNS, self.sample.T[1:], strict=True))

    def to_json(self) -> str:
        """Return them as text that `parse` reads."""
        counters = {name: getattr(self, name) for name in ("counts", "labels", "faults", "detectors")}
        return json.dumps({**counters, "sample": self.sample.tolist()})


def parse(text: str) -> Statistics:
    """Read what `Statistics.to_json` wrote."""
    content: dict[str, Any] = json.loads(text)
    sample = np.array(content.pop("sample"), np.float64).reshape(-1, 1 + len(COLUMNS))
    return Statistics(**{name: Counter(values) for name, values in content.items()}, sample=sample)


def of_table(table: pa.Table, partition: int) -> Statistics:
    """Count the rows of a partition; its number seeds the random numbers of its faces."""
    first = table.filter(pc.fill_null(pc.equal(table["face"], 0), True))
    faces = table.filter(pc.equal(table["status"], "face"))
    counts = Counter(
        pictures=len(first),
        faces=len(faces),
        without_face=_number_of(table["status"], "no face"),
        faults=_number_of(table["status"], "error"),
        uncertain=pc.sum(faces["uncertain"]).as_py() or 0,
    )
    faults = Counter(reason_of(error) for error in first["error"].drop_null().to_pylist())
    detectors = Counter(first["detector"].drop_null().to_pylist())
    return Statistics(+counts, Counter(faces["label"].to_pylist()), faults, detectors, _sample(faces, partition))


def reason_of(error: str) -> str:
    """Return the part of a fault's text that is the same for all pictures with this fault.

    Examples:
        >>> reason_of("the picture is cut off or damaged (image file is truncated)")
        'the picture is cut off or damaged'
    """
    return re.split(r" \(|, received|; ", error, maxsplit=1)[0]


def _number_of(column: pa.ChunkedArray, value: str) -> int:
    return int(pc.sum(pc.equal(column, value)).as_py() or 0)


def _sample(faces: pa.Table, partition: int) -> NDArray[np.float64]:
    numbers = np.random.default_rng(partition).random(len(faces))
    values = [numbers, *(faces[name].to_numpy().astype(np.float64) for name in COLUMNS)]
    return np.column_stack(values)[np.argsort(numbers, kind="stable")[:SAMPLE]]
