"""The dataset file: faces, their labels and the names they had in the archive, in one `.npz`.

Knows nothing of archives, cleaning or models.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from emotion.errors import DataError
from emotion.files import replacing

CHOICES: Final = 10
"""Number of columns of the votes, one for each of `votes.CHOICES`."""


@dataclass(frozen=True)
class Dataset:
    """Faces with their labels.

    Attributes:
        pixels: uint8, shape (n, 48, 48), grey, 0-255.
        labels: int8, shape (n,), index into `classes`.
        classes: class names in the order of the network's outputs.
        names: str, shape (n,), the archive member or csv row of each face.
        duplicate: bool, shape (n,). A face of validation or test has an exact copy in train, or a face of train has one
            in validation or test. Copies between validation and test do not count.
        votes: uint8, shape (n, 10), how many raters made each choice of `votes.CHOICES`; all 0 where nobody voted.

    Examples:
        >>> import numpy as np
        >>> faces = Dataset(
        ...     pixels=np.zeros((3, 48, 48), np.uint8),
        ...     labels=np.array([0, 1, 1], np.int8),
        ...     classes=("happy", "sad"),
        ...     names=np.array(["a.jpg", "b.jpg", "c.jpg"]),
        ...     duplicate=np.zeros(3, bool),
        ...     votes=np.zeros((3, 10), np.uint8),
        ... )
        >>> len(faces)
        3
        >>> faces.counts()
        {'happy': 1, 'sad': 2}
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int8]
    classes: tuple[str, ...]
    names: NDArray[np.str_]
    duplicate: NDArray[np.bool_]
    votes: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def counts(self) -> dict[str, int]:
        """Return the number of faces of each class, in class order."""
        totals = np.bincount(self.labels, minlength=len(self.classes))
        return {name: int(total) for name, total in zip(self.classes, totals, strict=True)}


def no_votes(faces: int) -> NDArray[np.uint8]:
    """Return the votes of faces for which nobody voted."""
    return np.zeros((faces, CHOICES), np.uint8)


def save(dataset: Dataset, path: Path) -> None:
    """Write a dataset file; equal datasets give equal bytes. Without any vote, the file has no array of votes."""
    arrays = {
        "pixels": dataset.pixels,
        "labels": dataset.labels,
        "classes": np.array(dataset.classes),
        "names": dataset.names,
        "duplicate": dataset.duplicate,
    }
    if dataset.votes.any():
        arrays["votes"] = dataset.votes
    with replacing(path) as temporary:
        # Not compressed: it would save 4%, take 3 s longer and make the bytes depend on the version of zlib.
        np.savez(temporary, allow_pickle=False, **arrays)


def load(path: Path) -> Dataset:
    """Read a dataset file and check its schema.

    Raises:
        DataError: the file is missing, is not an npz file or does not follow the schema.
    """
    try:
        # Opened here because `np.load` leaves a damaged file open and also accepts a file with a single array.
        with path.open("rb") as stream, NpzFile(stream, allow_pickle=False) as arrays:
            content = {name: np.asarray(arrays[name]) for name in arrays.files}
    except Exception as error:  # NumPy and zipfile raise a dozen types on damaged files
        raise DataError(f"cannot read the dataset file {path} ({error}); run: dvc repro preprocess") from error
    if "votes" not in content and "names" in content:
        content["votes"] = no_votes(len(content["names"]))
    _check_schema(content, path)
    return Dataset(
        pixels=content["pixels"],
        labels=content["labels"],
        classes=tuple(str(name) for name in content["classes"]),
        names=content["names"],
        duplicate=content["duplicate"],
        votes=content["votes"],
    )


def _check_schema(content: dict[str, NDArray[Any]], path: Path) -> None:
    expected = {
        "pixels": ("uint8", 3),
        "labels": ("int8", 1),
        "classes": ("str", 1),
        "names": ("str", 1),
        "duplicate": ("bool", 1),
        "votes": ("uint8", 2),
    }
    faults = [
        f"{name} {kind} of {dimensions} dimensions"
        for name, (kind, dimensions) in expected.items()
        if name not in content or not content[name].dtype.name.startswith(kind) or content[name].ndim != dimensions
    ]
    if not faults:
        lengths = {len(content[name]) for name in ("pixels", "labels", "names", "duplicate", "votes")}
        if len(lengths) != 1:
            faults.append("pixels, labels, names, duplicate and votes of equal length")
        elif content["pixels"].shape[1:] != (48, 48):
            faults.append("pixels of 48x48")
        elif content["votes"].shape[1:] != (CHOICES,):
            faults.append(f"votes of {CHOICES} columns")
        elif np.any((content["labels"] < 0) | (content["labels"] >= len(content["classes"]))):
            faults.append("labels that index classes")
    if faults:
        found = ", ".join(f"{name} {array.dtype} {array.shape}" for name, array in content.items())
        raise DataError(f"{path}: expected {'; '.join(faults)}; received {found}; run: dvc repro preprocess")
