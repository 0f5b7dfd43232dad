"""Grids of faces from the dataset; these figures stay in DVC's cache and out of Git.

Drawn like `figures`, from the faces and their predictions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from emotion.dataset import Dataset
from emotion.errors import DataError
from emotion.labels import REPORTED_SPLITS
from emotion.params import Plot
from emotion.report.charts import BLUE, MIN_WIDTH, RED, STYLE, add_title, save
from emotion.report.run_files import read_predictions, read_run, read_table

COLUMNS: Final = 7
LEGEND: Final = """\
above each face: the prediction and its probability
below, where it differs: the label, which may itself be wrong"""
SAMPLE_SEED: Final = 0


def draw_grids(root: Path, faces: Mapping[str, Dataset], settings: Plot) -> None:
    """Draw random faces, mistakes and doubtful labels into `plots/faces/` below `root`.

    Args:
        root: the folder with the pipeline's folders.
        faces: the faces of each split in `REPORTED_SPLITS`; `data/predictions.csv` must list them in the same order.
        settings: the settings of the figures.

    Raises:
        DataError: the predictions are for other faces.
    """
    predictions = read_predictions(root)
    if predictions["name"].tolist() != [name for split in REPORTED_SPLITS for name in faces[split].names.tolist()]:
        raise DataError("data/predictions.csv lists other faces than data/faces/; run: dvc repro evaluate")
    pixels = np.concatenate([faces[split].pixels for split in REPORTED_SPLITS])
    caption = f"{read_run(root).caption('validation')}\n{LEGEND}"
    validation = predictions[predictions["split"] == "validation"]
    doubtful = read_table(root, "metrics/details/doubtful.csv")
    count = settings.sample_faces
    grids = {
        "samples": ("Predictions for random faces, validation split", choose_samples(validation, count)),
        "mistakes": ("Most confident mistakes, validation split", choose_mistakes(validation, count)),
        "doubtful": ("Most doubtful labels of each class, both splits", choose_doubtful(predictions, doubtful, count)),
    }
    with style.context(["default", STYLE]):
        for name, (title, chosen) in grids.items():
            figure = face_grid(pixels, predictions, chosen, title, caption)
            save(figure, root / f"plots/faces/{name}.png", settings.dpi)


def face_grid(
    pixels: NDArray[np.uint8], predictions: pd.DataFrame, chosen: Sequence[int], title: str, caption: str
) -> Figure:
    """Draw faces with the predicted class and, where it differs, the label.

    Args:
        pixels: uint8, shape (n, 48, 48), grey, 0-255.
        predictions: n rows: actual, predicted, and the probability of each class.
        chosen: rows of the faces to draw.
        title: title of the figure.
        caption: text below the title.
    """
    columns = min(COLUMNS, max(len(chosen), 1))
    lines = max(ceil(len(chosen) / columns), 1)
    figure = Figure(figsize=(max(1.55 * columns, MIN_WIDTH), 1.2 + 1.95 * lines))
    for axes in (grid := figure.subplots(lines, columns, squeeze=False).ravel()):
        axes.set_axis_off()
    for axes, index in zip(grid, chosen, strict=False):
        _draw_face(axes, pixels[index], predictions.iloc[index])
    if not chosen:
        grid[0].text(0.5, 0.5, "none", ha="center", va="center")
    return add_title(figure, title, caption)


def choose_samples(predictions: pd.DataFrame, count: int) -> list[int]:
    """Choose rows at random; the same for the same number of rows."""
    generator = np.random.default_rng(SAMPLE_SEED)
    return sorted(generator.choice(len(predictions), min(count, len(predictions)), replace=False).tolist())


def choose_mistakes(predictions: pd.DataFrame, count: int) -> list[int]:
    """Choose the wrong predictions with the highest probability, the highest first."""
    wrong = predictions[predictions["predicted"] != predictions["actual"]]
    confidence = wrong.select_dtypes("number").max(axis=1)  # the predicted class is the most probable one
    return confidence.sort_values(ascending=False, kind="stable").index[:count].tolist()


def choose_doubtful(predictions: pd.DataFrame, doubtful: pd.DataFrame, count: int) -> list[int]:
    """Choose the most doubtful labels, class by class in turn; otherwise one or two classes would fill the grid.

    Args:
        predictions: one row per face, with its split and name.
        doubtful: split, name and label of each face with a doubtful label, the most doubtful first.
        count: largest number of faces to choose.
    """
    turns = doubtful.assign(turn=doubtful.groupby("label").cumcount()).sort_values(["turn", "label"])
    return turns.merge(predictions.reset_index(), on=["split", "name"])["index"].head(count).tolist()


def _draw_face(axes: Axes, face: NDArray[np.uint8], prediction: pd.Series[Any]) -> None:
    predicted, actual = prediction["predicted"], prediction["actual"]
    correct = predicted == actual
    colour = BLUE if correct else RED
    axes.set_axis_on()
    axes.imshow(face, cmap="gray", vmin=0, vmax=255, interpolation="bicubic")
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=2)
    axes.set_title(f"{'✓' if correct else '✗'} {predicted} {prediction[predicted]:.0%}", fontsize=10, color=colour)
    axes.set_xlabel("" if correct else f"label: {actual} {prediction[actual]:.0%}", fontsize=9)
