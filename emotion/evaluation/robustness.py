"""Accuracy on corrupted faces: five kinds of corruption, each at three strengths.

The network is a function from faces to probabilities. Kinds and strengths are fixed rather than settings, so that the
figures of any two networks are comparable (as in ImageNet-C: Hendrycks and Dietterich 2019, arXiv:1903.12261). Equal
faces give equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from emotion.dataframes import write_table
from emotion.evaluation.intervals import bootstrap, ratio
from emotion.files import DECIMALS, rounded, write_json
from emotion.images import FACE_SIZE, to_face

CLEAN: Final = "clean"

Network = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""From faces, uint8 (n, 48, 48), to probabilities, float32 (n, classes)."""

Faces = NDArray[np.uint8]

SEED: Final = 0
"""All strengths of a kind share one random draw, so that they differ in nothing but strength."""

# Measured on the mean of FER-2013's validation faces: the eyes lie in rows 15-20, the mouth in rows 36-41.
EYES_ROW: Final = 17
MOUTH_ROW: Final = 38
BAR_COLUMNS: Final = slice(6, 42)


@dataclass(frozen=True)
class Corruption:
    """One kind of corruption.

    Attributes:
        apply: takes faces, uint8 (n, 48, 48), and a strength; returns the corrupted faces in the same form.
        strengths: from weak to strong.
        meaning: description of a strength, with a placeholder for its number.
    """

    apply: Callable[[Faces, float], Faces]
    strengths: tuple[float, float, float]
    meaning: str


def add_noise(faces: Faces, deviation: float) -> Faces:
    """Add Gaussian noise, as a camera does in poor light.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        deviation: standard deviation in grey levels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    noise = np.random.default_rng(SEED).standard_normal(faces.shape, np.float32)
    return _to_bytes(faces + np.float32(deviation) * noise)


def blur(faces: Faces, deviation: float) -> Faces:
    """Blur by a Gaussian, as a lens out of focus does.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        deviation: standard deviation in pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    return _to_bytes(gaussian_filter(faces.astype(np.float32), (0, deviation, deviation), mode="nearest"))


def darken(faces: Faces, light: float) -> Faces:
    """Darken faces; contrast and the number of grey levels shrink with the light.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        light: share of the light that remains, 0-1.

    Returns:
        uint8, shape (n, 48, 48).
    """
    return _to_bytes(faces * np.float32(light))


def shrink(faces: Faces, edge: float) -> Faces:
    """Lower the resolution, as for small faces in a photo, which prediction enlarges in the same way.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255.
        edge: edge of the small face, whole pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    size = (int(edge), int(edge))
    small = (Image.fromarray(face).resize(size, Image.Resampling.BOX) for face in faces)
    return np.array([to_face(face) for face in small], np.uint8).reshape(faces.shape)


def cover(faces: Faces, height: float) -> Faces:
    """Cover the eyes or the mouth, chosen at random for each face, with a black bar as wide as the face.

    Args:
        faces: uint8, shape (n, 48, 48), grey, 0-255; eyes and mouth about where FER-2013 has them.
        height: height of the bar, whole pixels.

    Returns:
        uint8, shape (n, 48, 48).
    """
    centres = np.random.default_rng(SEED).choice([EYES_ROW, MOUTH_ROW], len(faces))
    tops = centres - int(height) // 2
    rows = np.arange(FACE_SIZE)
    barred = (rows >= tops[:, None]) & (rows < tops[:, None] + int(height))
    covered = faces.copy()
    covered[:, :, BAR_COLUMNS][barred] = 0
    return covered


CORRUPTIONS: Final = {
    "noise": Corruption(add_noise, (5, 10, 20), "noise of {:g} grey levels"),
    "blur": Corruption(blur, (0.75, 1.25, 2), "blur of {:g} pixels"),
    "darkness": Corruption(darken, (0.5, 0.25, 0.1), "{:.0%} of the light"),
    "resolution": Corruption(shrink, (24, 16, 12), "faces of {0:g}x{0:g} pixels"),
    "occlusion": Corruption(cover, (4, 8, 12), "bar of {:g} rows over eyes or mouth"),
}


def measure(network: Network, faces: NDArray[np.uint8], labels: NDArray[np.integer]) -> pd.DataFrame:
    """Score a network on unmodified faces, and on faces under every corruption at every strength.

    Args:
        network: the network to measure.
        faces: uint8, shape (n, 48, 48), grey, 0-255; n at least 1.
        labels: integer, shape (n,), index into the columns of the probabilities.

    Returns:
        The clean score, then three of each kind from weak to strong; rounded to 6 decimals. Columns:
        `corruption` (`clean` for none), `strength` (1 weak, 2 medium, 3 strong; 0 for none), `accuracy`, `low` and
        `high` (both ends of its 95% interval), `faces` (how many were scored), `meaning` (what was done to them).
    """
    rows = []
    for kind, strength, changed, meaning in _corrupt(faces):
        correct = np.count_nonzero(np.argmax(network(changed), axis=1) == labels)
        counts = np.array([len(labels) - correct, correct])
        rows.append((kind, strength, _accuracy(counts[None])[0], *bootstrap(counts, _accuracy), len(labels), meaning))
    columns = ["corruption", "strength", "accuracy", "low", "high", "faces", "meaning"]
    return pd.DataFrame(rows, columns=columns).round(DECIMALS)


def _corrupt(faces: Faces) -> Iterator[tuple[str, int, Faces, str]]:
    """Yield kind, strength, faces and meaning, of the unmodified faces first."""
    yield CLEAN, 0, faces, "as they are"
    for kind, corruption in CORRUPTIONS.items():
        for strength, value in enumerate(corruption.strengths, start=1):
            yield kind, strength, corruption.apply(faces, value), corruption.meaning.format(value)


def _accuracy(tables: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide the correct predictions by all, in tables of wrong and correct ones."""
    return ratio(tables[:, 1], tables.sum(axis=1))


def headline(scores: pd.DataFrame) -> dict[str, float]:
    """Return the clean accuracy, the mean accuracy under all corruptions, and the mean under each kind; 0-1."""
    by_kind = scores.groupby("corruption")["accuracy"].mean()
    corrupted = scores.loc[scores["corruption"] != CLEAN, "accuracy"].mean()
    return {CLEAN: rounded(by_kind[CLEAN]), "mean": rounded(corrupted)} | {
        kind: rounded(by_kind[kind]) for kind in CORRUPTIONS
    }


def write(scores: pd.DataFrame, root: Path) -> None:
    """Write the table and the headline below `root`, to the paths of the pipeline."""
    write_table(root / "metrics/robustness.csv", scores)
    write_json(root / "metrics/robustness.json", headline(scores))


def _to_bytes(values: NDArray[np.float32]) -> Faces:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
