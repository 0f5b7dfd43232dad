"""Charts drawn from arrays, and what all figures share: colours, style, title and file.

Matplotlib without pyplot: no global state, no display. Equal arrays give equal bytes, regardless of the user's style.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from emotion.files import replacing

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


def confusion_matrix(
    counts: NDArray[np.integer],
    classes: Sequence[str],
    title: str,
    caption: str,
    colormap: str,
    majorities: Sequence[str] = (),
) -> Figure:
    """Draw a confusion matrix as counts and as shares of each row, side by side.

    Args:
        counts: integer, shape (rows, classes), faces by actual class or raters' majority (rows) and predicted class.
        classes: the predicted classes, and the actual ones.
        title: of the figure.
        caption: one or several lines below the title.
        colormap: name of a Matplotlib colormap.
        majorities: the majority of each row, if the rows are no actual classes.
    """
    rows, truth = (majorities, "raters' majority") if majorities else (classes, "actual class")
    totals = counts.sum(axis=1, keepdims=True)
    # The shares of a class without faces are undefined: its row stays empty.
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    figure = Figure(figsize=(max(2.7 + 1.24 * len(classes), MIN_WIDTH), 2.3 + 0.6 * len(rows)))
    left, right = figure.subplots(1, 2)
    _heatmap(left, counts / max(counts.max(), 1), [f"{count:,}" for count in counts.flat], colormap)
    _heatmap(right, shares, ["" if np.isnan(share) else f"{share:.0%}" for share in shares.flat], colormap)
    for axes in (left, right):
        axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(rows)), rows)
        axes.set(xlabel="predicted", ylabel=truth.removesuffix(" class"))
    left.set_title("Faces")
    right.set_title(f"Share of the {truth}")
    return add_title(figure, title, caption)


def reliability(
    faces: NDArray[np.integer],
    confidence: NDArray[np.floating],
    truth: NDArray[np.floating],
    title: str,
    caption: str,
    name: str = "accuracy",
) -> Figure:
    """Draw what the confidence stands for over the confidence, and below it the number of faces in each bin.

    Args:
        faces: integer, shape (bins,), number of faces in bins of equal width, which divide the confidence from 0 to 1.
        confidence: shape (bins,), 0-1, the mean confidence of each bin; not read where a bin is empty.
        truth: likewise, the share of right predictions, or of raters who agree.
        title: of the figure.
        caption: one or several lines below the title.
        name: of the truth.
    """
    filled = np.flatnonzero(faces)
    centres, width = (filled + 0.5) / len(faces), 0.94 / len(faces)
    truth, confidence = truth[filled], confidence[filled]
    figure = Figure(figsize=(MIN_WIDTH, 7.8))
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.bar(centres, truth, width, color=PALE_BLUE, label=name)
    gap = {"facecolor": "none", "edgecolor": RED, "hatch": "///", "linewidth": 1}
    upper.bar(centres, confidence - truth, width, bottom=truth, label="gap to the mean confidence", **gap)
    upper.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, label="perfect calibration")
    upper.set(xlim=(0, 1), ylim=(0, 1), ylabel=name)
    figure.legend(loc="outside lower center", ncols=3, fontsize=10)
    lower.bar(centres, faces[filled], width, color=GREY)
    lower.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
    lower.set(xlabel="confidence (probability of the predicted class)", ylabel="faces")
    return add_title(figure, title, caption)


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


def _heatmap(axes: Axes, values: NDArray[Any], texts: Sequence[str], colormap: str) -> None:
    """Draw values from 0 to 1 as coloured cells with texts in them, row by row; a NaN cell stays white."""
    colours = mpl.colormaps[colormap]
    axes.imshow(values, cmap=colours, vmin=0, vmax=1, aspect="auto")
    for (row, column), text in zip(np.ndindex(values.shape), texts, strict=True):
        # Above this luminance black text has the higher contrast, below it white (contrast ratio of WCAG 2.2).
        colour = "black" if _luminance(colours(values[row, column])) > 0.179 else "white"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    axes.spines[:].set_visible(False)
    # White lines between the cells.
    axes.set_xticks(np.arange(values.shape[1] - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(values.shape[0] - 1) + 0.5, minor=True)
    axes.grid(visible=True, which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0)


def _luminance(colour: tuple[float, float, float, float]) -> float:
    """Return the relative luminance of an RGBA colour, 0 to 1 (WCAG 2.2)."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
