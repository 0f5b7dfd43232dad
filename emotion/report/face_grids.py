"""The pictures that show faces of the dataset: they stay in DVC's cache and out of Git.

As `figures` draws. Knows nothing of networks; the faces are handed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotion.dataset import Dataset
from emotion.errors import DataError
from emotion.files import read_csv, read_json
from emotion.labels import REPORTED_SPLITS
from emotion.params import Plot
from emotion.report.figures import BLUE, LOOK, RED, SMALLEST, Row, read_run, save, titled

COLUMNS: Final = 7
LEGEND: Final = """\
above: the prediction and its probability
below, where it is another class: the label, which may be wrong itself"""
SAMPLE_SEED: Final = 0


def draw_grids(root: Path, faces: Mapping[str, Dataset], settings: Plot) -> None:
    """Draw samples and mistakes of validation, and the doubtful labels, into `plots/faces/` below `root`.

    Args:
        root: where the pipeline's folders lie.
        faces: of each split in `REPORTED_SPLITS`; `data/predictions.csv` must have the same names in the same order.
        settings: of the figures.

    Raises:
        DataError: the predictions are of other faces.
    """
    rows = read_csv(root / "data/predictions.csv")
    if [row["name"] for row in rows] != [name for split in REPORTED_SPLITS for name in faces[split].names.tolist()]:
        expected = f"the {' and '.join(REPORTED_SPLITS)} faces in order"
        raise DataError(f"data/predictions.csv: expected {expected}, received others; run: dvc repro")
    pixels = np.concatenate([faces[split].pixels for split in REPORTED_SPLITS])
    caption = f"{read_run(root).caption('validation')}\n{LEGEND}"
    with style.context(["default", LOOK]):
        for name, (title, chosen) in _choose(root, rows, settings.sample_faces).items():
            save(face_grid(pixels, rows, chosen, title, caption), root / f"plots/faces/{name}.png", settings.dpi)


def face_grid(
    pixels: NDArray[np.uint8], rows: Sequence[Row], chosen: Sequence[int], title: str, caption: str
) -> Figure:
    """Draw faces with what was predicted and, where that is another class, the label."""
    columns = min(COLUMNS, max(len(chosen), 1))
    lines = max(ceil(len(chosen) / columns), 1)
    figure = Figure(figsize=(max(1.55 * columns, SMALLEST), 1.2 + 1.95 * lines))
    for axes in (grid := figure.subplots(lines, columns, squeeze=False).ravel()):
        axes.set_axis_off()
    for axes, index in zip(grid, chosen, strict=False):
        _draw_face(axes, pixels[index], rows[index])
    if not chosen:
        grid[0].text(0.5, 0.5, "none", ha="center", va="center")
    return titled(figure, title, caption)


def choose_samples(rows: Sequence[Row], count: int) -> list[int]:
    """Choose faces at random, the same ones for the same number of rows."""
    generator = np.random.default_rng(SAMPLE_SEED)
    return sorted(generator.choice(len(rows), min(count, len(rows)), replace=False).tolist())


def choose_mistakes(rows: Sequence[Row], count: int) -> list[int]:
    """Choose the wrong predictions of the highest probability, the highest first."""
    wrong = [index for index, row in enumerate(rows) if row["predicted"] != row["actual"]]
    return sorted(wrong, key=lambda index: -float(rows[index][rows[index]["predicted"]]))[:count]


def choose_doubtful(rows: Sequence[Row], doubtful: Sequence[Row], count: int) -> list[int]:
    """Choose the most doubtful labels, the classes taking turns: else one or two of them would fill the picture.

    Args:
        rows: of `data/predictions.csv`.
        doubtful: rows of `metrics/details/doubtful.csv`, the most doubtful first.
        count: how many to choose at most.
    """
    places = {(row["split"], row["name"]): index for index, row in enumerate(rows)}
    taken: Counter[str] = Counter()
    turns = []
    for row in doubtful:
        turns.append((taken[row["label"]], row["label"], places[row["split"], row["name"]]))
        taken[row["label"]] += 1
    return [place for _, _, place in sorted(turns)[:count]]


def _choose(root: Path, rows: Sequence[Row], count: int) -> dict[str, tuple[str, list[int]]]:
    """Return title and faces of each grid."""
    validation = [row for row in rows if row["split"] == "validation"]
    details = root / "metrics/details"
    # Without any doubtful label the csv is a header, which no reader takes for a table.
    doubtful = read_csv(details / "doubtful.csv") if read_json(details / "doubts.json")["doubtful"] else []
    return {
        "samples": ("Predictions for random faces, validation split", choose_samples(validation, count)),
        "mistakes": ("Most confident mistakes, validation split", choose_mistakes(validation, count)),
        "doubtful": ("Most doubtful labels of each class, both splits", choose_doubtful(rows, doubtful, count)),
    }


def _draw_face(axes: Axes, face: NDArray[np.uint8], row: Row) -> None:
    predicted, actual = row["predicted"], row["actual"]
    right = predicted == actual
    colour = BLUE if right else RED
    axes.set_axis_on()
    axes.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2)
    axes.set_title(f"{'✓' if right else '✗'} {predicted} {float(row[predicted]):.0%}", fontsize=10, color=colour)
    axes.set_xlabel("" if right else f"label: {actual} {float(row[actual]):.0%}", fontsize=9)
