"""The figures of the report on labelled pictures, drawn from its summary. None of them shows a face."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from emotion.report import charts
from emotion.report.charts import BLUE, GREY, ORANGE, STYLE, add_title, save

DPI: Final = 120
COLORMAP: Final = "Blues"

FILES: Final = ("confusion.png", "reliability.png", "drift.png")
"""Names of the figures."""


def draw(folder: Path, summary: Mapping[str, Any]) -> None:
    """Draw the figures `FILES`; one without a measurement is deleted, as it is old."""
    labels, drift = summary["labels"], summary["drift"]
    with style.context(["default", STYLE]):
        figures = (
            confusion_matrix(labels, summary["classes"]) if labels else None,
            reliability(labels) if labels else None,
            draw_drift(drift) if drift else None,
        )
        for name, figure in zip(FILES, figures, strict=True):
            path = folder / name
            if figure:
                save(figure, path, DPI)
            else:
                path.unlink(missing_ok=True)


def confusion_matrix(labels: Mapping[str, Any], classes: list[str]) -> Figure:
    """Draw the labels of the found faces against the expected ones."""
    accuracy = labels["accuracy_found"]
    caption = f"{accuracy['count']:,} of {accuracy['of']:,} found faces right ({accuracy['value']:.1%})"
    return charts.confusion_matrix(np.array(labels["confusion"]), classes, "Your pictures", caption, COLORMAP)


def reliability(labels: Mapping[str, Any]) -> Figure:
    """Draw accuracy over confidence."""
    faces, confidence, accuracy = (
        np.array(labels["reliability"][name]) for name in ("faces", "confidence", "accuracy")
    )
    error, chance = (labels[name] for name in ("calibration_error", "calibration_error_by_chance"))
    caption = (
        f"{labels['accuracy_found']['of']:,} found faces · calibration error {error:.1%}; "
        f"{chance:.1%} by chance with as many"
    )
    return charts.reliability(faces, confidence, accuracy, "Reliability, your pictures", caption)


def draw_drift(drift: Mapping[str, Any]) -> Figure:
    """Draw each measure of the faces and the shares of the predicted classes, here and on the test split."""
    measures, classes = drift["measures"], drift["classes"]
    figure = Figure(figsize=(11, 6.2))
    axes = figure.subplot_mosaic([[*measures], ["classes"] * len(measures)], height_ratios=(1, 2))
    for number, (name, measure) in enumerate(measures.items()):
        _draw_ranges(axes[name], name, measure, labelled=number == 0)
    places = np.arange(len(classes))
    for shift, key, colour, label in ((-0.2, "test", GREY, "test split"), (0.2, "share", BLUE, "your pictures")):
        axes["classes"].bar(places + shift, [each[key] for each in classes.values()], 0.38, color=colour, label=label)
    axes["classes"].set_xticks(places, list(classes))
    axes["classes"].set_ylabel("share of the predictions")
    axes["classes"].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes["classes"].grid(visible=True, axis="y")
    axes["classes"].legend()
    caption = f"{drift['faces']:,} found faces · median (dot), middle half (thick) and 5-95% (thin) of each measure"
    return add_title(figure, "Your pictures and the test split", caption)


def _draw_ranges(axes: Axes, name: str, measure: Mapping[str, Any], *, labelled: bool) -> None:
    for place, values, colour in ((1, measure["test"], GREY), (0, measure, BLUE)):
        axes.plot([values["q05"], values["q95"]], [place, place], color=colour, linewidth=1.5)
        axes.plot([values["q25"], values["q75"]], [place, place], color=colour, linewidth=7, solid_capstyle="butt")
        axes.plot(values["q50"], place, "o", color=ORANGE, markersize=6)
    axes.set(title=name, ylim=(-0.6, 1.6))
    axes.set_yticks([1, 0], ["test split", "yours"] if labelled else ["", ""])
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=True, axis="x")
