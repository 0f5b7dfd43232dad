"""The figures of a run, drawn from the files of the stages before.

Matplotlib without pyplot: no global state, no display. Equal files give equal bytes, regardless of the user's style.
None of the figures shows a face.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from emotion.labels import COLOURS, REPORTED_SPLITS, SPLITS
from emotion.markdown import share
from emotion.params import Plot
from emotion.report import charts
from emotion.report.charts import BLUE, GREEN, GREY, MIN_WIDTH, ORANGE, STYLE, add_title, save
from emotion.report.run_files import Run, read_confusions, read_reliabilities, read_run, read_table


def draw_pictures(root: Path, settings: Plot) -> None:
    """Draw the figures of data, training and evaluation into `plots/pictures/` below `root`."""
    run = read_run(root)
    with style.context(["default", STYLE]):
        drawn = {
            "distribution": class_distribution(read_table(root, "plots/data/classes.csv"), run),
            "training": training_curves(read_table(root, "plots/training/history.csv"), run),
        }
        for split in REPORTED_SPLITS:
            for name, table in read_confusions(root, split).items():
                drawn[name] = confusion_matrix(table, split, run, settings.colormap)
            scores = read_table(root, f"metrics/details/{split}_classes.csv")
            drawn[f"classes_{split}"] = class_scores(scores, split, run)
            for name, table in read_reliabilities(root, split).items():
                drawn[name] = reliability(table, split, run)
        for name, figure in drawn.items():
            save(figure, root / f"plots/pictures/{name}.png", settings.dpi)


def confusion_matrix(table: pd.DataFrame, split: str, run: Run, colormap: str) -> Figure:
    """Draw a confusion matrix as counts and as shares of each row, side by side.

    Args:
        table: the column `actual` or `majority`, then the number of faces by predicted class.
        split: the split that was evaluated.
        run: the run, for the caption.
        colormap: name of a Matplotlib colormap.
    """
    counts, classes, title = (
        table.iloc[:, 1:].to_numpy(),
        table.columns[1:].tolist(),
        f"Confusion matrix, {split} split",
    )
    majorities = table["majority"].tolist() if "majority" in table else ()
    return charts.confusion_matrix(counts, classes, title, run.caption(split), colormap, majorities)


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
    """Draw accuracy over confidence, and below it the number of faces in each bin.

    Args:
        table: the columns `faces`, `confidence`, and `accuracy` on the labels or the share of the `raters` who agree.
        split: the split that was evaluated.
        run: the run, for the caption.
    """
    if "raters" in table:
        column, name, source, error = "raters", "raters who agree", "votes", run.votes[split]["calibration_error"]
    else:
        column, name, source, error = "accuracy", "accuracy", "labels", run.headlines[split]["calibration_error"]
    faces, confidence, truth = (table[each].to_numpy() for each in ("faces", "confidence", column))
    caption = f"{run.caption(split)}\nexpected calibration error on the {source} {share(error)}"
    return charts.reliability(faces, confidence, truth, f"Reliability, {split} split", caption, name)
