"""The pictures of a run, drawn from the csv and json files that the stages before left.

Matplotlib without pyplot: no global state, no display. Equal files give equal bytes, whatever style a person has set.
None of them shows a face.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from emotion.files import read_csv, read_json, replacing
from emotion.labels import COLOURS, REPORTED_SPLITS, SPLITS
from emotion.params import Plot

BLUE, ORANGE, GREEN, RED, GREY, PALE_BLUE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#5F5F5F", "#A6CEE3"
"""For what is no class; the first four from the palette of Okabe and Ito (2008), told apart by colour-blind people."""

LOOK: Final = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
}

SMALLEST: Final = 6.8
"""Width in inches that the titles need."""

Row = dict[str, str]


@dataclass(frozen=True)
class Run:
    """What the titles say of a run.

    Attributes:
        dataset: title of the dataset.
        architecture: name of the network.
        keep: which epoch was kept, `best` or `last`.
        headlines: the headline figures of each split in `REPORTED_SPLITS`.
    """

    dataset: str
    architecture: str
    keep: str
    headlines: dict[str, dict[str, float]]

    def caption(self, split: str) -> str:
        """Return the lines below a title: dataset and network, accuracy on a split."""
        return f"{self.dataset} · {self.architecture}\n{split} accuracy {self.headlines[split]['accuracy']:.2%}"


def read_run(root: Path) -> Run:
    """Read what the titles say from the files below `root`."""
    training = read_json(root / "metrics/details/model.json")["parameters"]["train"]
    return Run(
        dataset=read_json(root / "data/raw/source.json")["dataset"],
        architecture=training["architecture"],
        keep=training["keep"],
        headlines={split: read_json(root / f"metrics/{split}.json") for split in REPORTED_SPLITS},
    )


def draw_pictures(root: Path, settings: Plot) -> None:
    """Draw the pictures without faces into `plots/pictures/` below `root`."""
    run, details = read_run(root), root / "metrics/details"
    with style.context(["default", LOOK]):
        pictures = {
            "distribution": class_distribution(read_csv(root / "plots/data/classes.csv"), run),
            "training": training_curves(read_csv(root / "plots/training/history.csv"), run),
        }
        for split in REPORTED_SPLITS:
            confusion = read_csv(details / f"{split}_confusion.csv")
            pictures[f"confusion_{split}"] = confusion_matrix(confusion, split, run, settings.colormap)
            pictures[f"classes_{split}"] = class_scores(read_csv(details / f"{split}_classes.csv"), split, run)
            pictures[f"reliability_{split}"] = reliability(read_csv(details / f"{split}_reliability.csv"), split, run)
        for name, picture in pictures.items():
            save(picture, root / f"plots/pictures/{name}.png", settings.dpi)


def confusion_matrix(rows: list[Row], split: str, run: Run, colormap: str) -> Figure:
    """Draw the confusion matrix as counts and as shares of each actual class, side by side."""
    classes = [row["actual"] for row in rows]
    counts = np.array([[int(row[name]) for name in classes] for row in rows])
    totals = counts.sum(axis=1, keepdims=True)
    # A class without faces has no shares: its row stays empty.
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    figure = Figure(figsize=(max(2.7 + 1.24 * len(classes), SMALLEST), 2.3 + 0.6 * len(classes)))
    left, right = figure.subplots(1, 2)
    _heatmap(left, counts / max(counts.max(), 1), [f"{count:,}" for count in counts.flat], classes, colormap)
    _heatmap(right, shares, ["" if np.isnan(share) else f"{share:.0%}" for share in shares.flat], classes, colormap)
    left.set_title("Faces")
    right.set_title("Share of the actual class")
    return titled(figure, f"Confusion matrix, {split} split", run.caption(split))


def training_curves(rows: list[Row], run: Run) -> Figure:
    """Draw accuracy and loss over the epochs, the kept epoch marked."""
    epochs = [int(row["epoch"]) for row in rows]
    validation = [float(row["val_accuracy"]) for row in rows]
    kept = int(np.argmax(validation)) if run.keep == "best" else len(rows) - 1
    figure = Figure(figsize=(11, 4.6))
    for axes, name in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        axes.plot(epochs, [float(row[name]) for row in rows], color=ORANGE, linestyle="--", marker=".", label="train")
        curve = [float(row[f"val_{name}"]) for row in rows]
        axes.plot(epochs, curve, color=BLUE, marker=".", label="validation")
        axes.axvline(epochs[kept], color=GREY, linewidth=1, linestyle=":")
        axes.plot(epochs[kept], curve[kept], "o", color=BLUE, markersize=9, label=f"kept: epoch {epochs[kept]}")
        axes.set(title=name.capitalize(), xlabel="epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(visible=True)
        axes.legend()
    figure.axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    # After the last epoch `train` may still settle the batch statistics, which the curves do not show.
    return titled(figure, "Training", f"{run.caption('validation')} when finished; the curves were measured on the way")


def class_scores(rows: list[Row], split: str, run: Run) -> Figure:
    """Draw precision, recall and F1 of each class as bars."""
    figure = Figure(figsize=(max(2.5 + 1.25 * len(rows), SMALLEST), 4.8))
    axes = figure.subplots()
    for place, (name, colour) in enumerate({"precision": BLUE, "recall": ORANGE, "f1": GREEN}.items()):
        heights = [float(row[name]) for row in rows]
        centres = np.arange(len(rows)) + (place - 1) * 0.28
        bars = axes.bar(centres, heights, 0.26, color=colour, label=name.replace("f1", "F1"))
        axes.bar_label(bars, [f"{100 * height:.0f}" for height in heights], padding=1, fontsize=9)
    axes.set_xticks(range(len(rows)), [f"{row['class']}\n{int(row['support']):,} faces" for row in rows])
    axes.set(ylim=(0, 1))
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="y")
    figure.legend(loc="outside lower center", ncols=3)
    return titled(figure, f"Precision, recall and F1 of each class, {split} split", run.caption(split))


def class_distribution(rows: list[Row], run: Run) -> Figure:
    """Draw how many faces each class has in each split, as bars over its share of the split."""
    figure = Figure(figsize=(11, 1.9 + 0.4 * len({row["class"] for row in rows})))
    for axes, split in zip(figure.subplots(1, len(SPLITS), sharex=True, sharey=True), SPLITS, strict=True):
        classes = {row["class"]: int(row["faces"]) for row in rows if row["split"] == split}
        total = sum(classes.values())
        bars = axes.barh(list(classes), [faces / max(total, 1) for faces in classes.values()])
        for bar, name in zip(bars, classes, strict=True):
            bar.set_color(COLOURS[name])
        axes.bar_label(bars, [f"{faces:,}" for faces in classes.values()], padding=3, fontsize=10)
        axes.set(title=f"{split}: {total:,} faces", xlabel="share of the split")
        axes.margins(x=0.2)
        axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    figure.axes[0].invert_yaxis()
    return titled(figure, "Faces of each class", run.caption("test"))


def reliability(rows: list[Row], split: str, run: Run) -> Figure:
    """Draw accuracy over confidence, and below it how many faces each bin holds."""
    filled = [row for row in rows if int(row["faces"])]
    centres = [(int(row["bin"]) - 0.5) / len(rows) for row in filled]
    accuracy = np.array([float(row["accuracy"]) for row in filled])
    confidence = np.array([float(row["confidence"]) for row in filled])
    figure = Figure(figsize=(SMALLEST, 7.8))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    width = 0.94 / len(rows)
    upper.bar(centres, accuracy, width, color=PALE_BLUE, label="accuracy")
    gap = {"facecolor": "none", "edgecolor": RED, "hatch": "///", "linewidth": 1}
    upper.bar(centres, confidence - accuracy, width, bottom=accuracy, label="gap to the mean confidence", **gap)
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    figure.legend(loc="outside lower center", ncols=3, fontsize=10)
    lower.bar(centres, [int(row["faces"]) for row in filled], width, color=GREY)
    lower.set(xlabel="confidence (probability of the predicted class)", ylabel="faces")
    error = f"expected calibration error {run.headlines[split]['calibration_error']:.2%}"
    return titled(figure, f"Reliability, {split} split", f"{run.caption(split)} · {error}")


def _heatmap(axes: Axes, values: NDArray[Any], texts: list[str], classes: list[str], colormap: str) -> None:
    """Draw values of 0 to 1 as coloured cells, NaN as white paper, with texts in them, row by row."""
    colours = mpl.colormaps[colormap]
    axes.imshow(values, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (row, column), text in zip(np.ndindex(values.shape), texts, strict=True):
        # Above this luminance black is read more easily than white (contrast ratio of WCAG 2.2).
        ink = "black" if _luminance(colours(values[row, column])) > 0.179 else "white"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=10)
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


def titled(figure: Figure, title: str, caption: str) -> Figure:
    """Write a title and a caption of any number of lines above the axes, in room kept free for them."""
    height = figure.get_figheight()  # inches
    room = 0.5 + 0.19 * len(caption.splitlines())
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - room / height), w_pad=0.08)
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.1 / height, title, va="top", fontsize=14, weight="bold")
    figure.text(0.1 / figure.get_figwidth(), 1 - 0.4 / height, caption, va="top", fontsize=10.5, color=GREY)
    return figure


def save(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure as PNG; equal figures give equal bytes."""
    with replacing(path) as temporary:
        # The name and version of the software are all that would differ between two machines.
        figure.savefig(temporary, dpi=dpi, metadata={"Software": None})
