"""The figures of a run, drawn from the files of the stages before.

Matplotlib without pyplot: no global state, no display. Equal files give equal bytes, regardless of the user's style.
None of the figures shows a face.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from emotion.files import replacing
from emotion.labels import COLOURS, REPORTED_SPLITS, SPLITS
from emotion.params import Plot
from emotion.report.run_files import Run, read_confusion, read_run, read_table

BLUE, ORANGE, GREEN, RED, GREY, PALE_BLUE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#5F5F5F", "#A6CEE3"
"""Colours of everything but classes; the first four from the colour-blind safe palette of Okabe and Ito (2008)."""

STYLE: Final = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
}

MIN_WIDTH: Final = 6.8
"""Width in inches that the titles need."""


def draw_pictures(root: Path, settings: Plot) -> None:
    """Draw the figures of data, training and evaluation into `plots/pictures/` below `root`."""
    run = read_run(root)
    with style.context(["default", STYLE]):
        drawn = {
            "distribution": class_distribution(read_table(root, "plots/data/classes.csv"), run),
            "training": training_curves(read_table(root, "plots/training/history.csv"), run),
        }
        for split in REPORTED_SPLITS:
            tables = {
                name: read_table(root, f"metrics/details/{split}_{name}.csv") for name in ("classes", "reliability")
            }
            drawn[f"confusion_{split}"] = confusion_matrix(read_confusion(root, split), split, run, settings.colormap)
            drawn[f"classes_{split}"] = class_scores(tables["classes"], split, run)
            drawn[f"reliability_{split}"] = reliability(tables["reliability"], split, run)
        for name, figure in drawn.items():
            save(figure, root / f"plots/pictures/{name}.png", settings.dpi)


def confusion_matrix(table: pd.DataFrame, split: str, run: Run, colormap: str) -> Figure:
    """Draw the confusion matrix as counts and as shares of each actual class, side by side.

    Args:
        table: the column `actual`, then the number of faces by predicted class, in the same order.
        split: the split that was evaluated.
        run: the run, for the caption.
        colormap: name of a Matplotlib colormap.
    """
    classes = table["actual"].tolist()
    counts = table[classes].to_numpy()
    totals = counts.sum(axis=1, keepdims=True)
    # The shares of a class without faces are undefined: its row stays empty.
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    figure = Figure(figsize=(max(2.7 + 1.24 * len(classes), MIN_WIDTH), 2.3 + 0.6 * len(classes)))
    left, right = figure.subplots(1, 2)
    _heatmap(left, counts / max(counts.max(), 1), [f"{count:,}" for count in counts.flat], classes, colormap)
    _heatmap(right, shares, ["" if np.isnan(share) else f"{share:.0%}" for share in shares.flat], classes, colormap)
    left.set_title("Faces")
    right.set_title("Share of the actual class")
    return add_title(figure, f"Confusion matrix, {split} split", run.caption(split))


def training_curves(history: pd.DataFrame, run: Run) -> Figure:
    """Draw accuracy and loss by epoch, with the kept epoch marked."""
    epochs, validation = history["epoch"], history["val_accuracy"]
    kept = int(np.argmax(validation)) if run.keep == "best" else len(history) - 1
    figure = Figure(figsize=(11, 4.6))
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        curve = history[f"val_{name}"]
        axes.plot(epochs, history[name], color=ORANGE, linestyle="--", marker=".", label="train")
        axes.plot(epochs, curve, color=BLUE, marker=".", label="validation")
        axes.axvline(epochs[kept], color=GREY, linewidth=1, linestyle=":")
        axes.plot(epochs[kept], curve[kept], "o", color=BLUE, markersize=9, label=f"kept: epoch {epochs[kept]}")
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(visible=True)
        axes.legend()
    figure.axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    # After the last epoch `train` may recompute the batch statistics, which the curves do not show.
    caption = f"{run.caption('validation')} after training; the curves were measured during training"
    return add_title(figure, "Training", caption)


def class_scores(table: pd.DataFrame, split: str, run: Run) -> Figure:
    """Draw precision, recall and F1 of each class as bars."""
    figure = Figure(figsize=(max(2.5 + 1.25 * len(table), MIN_WIDTH), 4.8))
    axes = figure.subplots()
    for place, (name, colour) in enumerate({"precision": BLUE, "recall": ORANGE, "f1": GREEN}.items()):
        centres = np.arange(len(table)) + (place - 1) * 0.28
        bars = axes.bar(centres, table[name], 0.26, color=colour, label=name.replace("f1", "F1"))
        axes.bar_label(bars, [f"{100 * height:.0f}" for height in table[name]], padding=1, fontsize=9)
    labels = [f"{name}\n{faces:,} faces" for name, faces in zip(table["class"], table["support"], strict=True)]
    axes.set_xticks(range(len(table)), labels)
    axes.set(ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="y")
    figure.legend(loc="outside lower center", ncols=3)
    return add_title(figure, f"Precision, recall and F1 of each class, {split} split", run.caption(split))


def class_distribution(table: pd.DataFrame, run: Run) -> Figure:
    """Draw the share of each class in each split as bars, labelled with the number of faces."""
    figure = Figure(figsize=(11, 1.9 + 0.4 * table["class"].nunique()))
    for axes, split in zip(figure.subplots(1, len(SPLITS), sharex=True, sharey=True), SPLITS, strict=True):
        faces = table[table["split"] == split].set_index("class")["faces"]
        colours = [COLOURS[name] for name in faces.index]
        bars = axes.barh(faces.index, faces / max(faces.sum(), 1), color=colours, edgecolor=colours)
        axes.bar_label(bars, [f"{count:,}" for count in faces], padding=3, fontsize=10)
        axes.set(title=f"{split}: {faces.sum():,} faces", xlabel="share of the split")
        axes.margins(x=0.2)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.axes[0].invert_yaxis()
    return add_title(figure, "Faces of each class", run.caption("test"))


def reliability(table: pd.DataFrame, split: str, run: Run) -> Figure:
    """Draw accuracy over confidence, and below it the number of faces in each bin."""
    filled = table[table["faces"] > 0]
    centres, width = (filled["bin"] - 0.5) / len(table), 0.94 / len(table)
    accuracy, confidence = filled["accuracy"], filled["confidence"]
    figure = Figure(figsize=(MIN_WIDTH, 7.8))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(centres, accuracy, width, color=PALE_BLUE, label="accuracy")
    gap = {"facecolor": "none", "edgecolor": RED, "hatch": "///", "linewidth": 1}
    upper.bar(centres, confidence - accuracy, width, bottom=accuracy, label="gap to the mean confidence", **gap)
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    figure.legend(loc="outside lower center", ncols=3, fontsize=10)
    lower.bar(centres, filled["faces"], width, color=GREY)
    lower.set(xlabel="confidence (probability of the predicted class)", ylabel="faces")
    error = f"expected calibration error {run.headlines[split]['calibration_error']:.2%}"
    return add_title(figure, f"Reliability, {split} split", f"{run.caption(split)} · {error}")


def _heatmap(axes: Axes, values: NDArray[Any], texts: list[str], classes: list[str], colormap: str) -> None:
    """Draw values from 0 to 1 as coloured cells with texts in them, row by row; a NaN cell stays white."""
    colours = mpl.colormaps[colormap]
    axes.imshow(values, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (row, column), text in zip(np.ndindex(values.shape), texts, strict=True):
        # Above this luminance black text has the higher contrast, below it white (contrast ratio of WCAG 2.2).
        colour = "black" if _luminance(colours(values[row, column])) > 0.179 else "white"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(classes) - 1) + 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _luminance(colour: tuple[float, float, float, float]) -> float:
    """Return the relative luminance of an RGBA colour, 0 to 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def add_title(figure: Figure, title: str, caption: str) -> Figure:
    """Write a title and a caption of any number of lines above the axes, in space reserved for them."""
    height = figure.get_figheight()  # inches
    reserved = 0.5 + 0.19 * len(caption.splitlines())
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - reserved / height), w_pad=0.08)
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.1 / height, title, va="top", fontsize=14, weight="bold")
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.4 / height, caption, va="top", fontsize=10.5, color=GREY)
    return figure


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG; equal figures give equal bytes."""
    with replacing(path) as temporary:
        # Without the name and version of Matplotlib, which would differ between machines.
        figure.savefig(temporary, dpi=dpi, metadata={"Software": None})
