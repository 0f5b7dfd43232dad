"""The pictures that say how far a network can be trusted: intervals, declined faces, corrupted faces, where it looks.

As `figures` draws: from the csv files that the stages before left, without pyplot, equal files give equal bytes. None
of them shows a single face.
"""

from __future__ import annotations

from math import ceil
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from emotion.files import read_csv
from emotion.labels import REPORTED_SPLITS
from emotion.params import Plot
from emotion.report.figures import (
    BLUE,
    GREY,
    LOOK,
    ORANGE,
    PALE_BLUE,
    SMALLEST,
    Row,
    Run,
    read_run,
    save,
    titled,
)

SPLIT_COLOURS: Final = {"validation": ORANGE, "test": BLUE}
LIGHT_GREY: Final = "#BDBDBD"
FULL: Final = 1.005
"""Where an axis of shares ends that reaches 100%."""

BANDS: Final = "with 95% intervals"
PANELS: Final = 4
"""Maps side by side."""

MEANS: Final = {"all": "all classes:", "even": "an even map would give"}
"""What the rows of the regions that are no class are called."""

SMALLEST_FALL: Final = 0.001
"""A map of smaller falls of the probability stays pale."""


def draw_diagrams(root: Path, pixels: NDArray[np.uint8], settings: Plot) -> None:
    """Draw the pictures into `plots/pictures/` below `root`.

    Args:
        root: where the pipeline's folders lie.
        pixels: uint8, shape (n, 48, 48), the validation faces; their mean gives the lines of a face.
        settings: of the figures.
    """
    run, details, seen = read_run(root), root / "metrics/details", root / "metrics/saliency"
    lines = pixels.mean(axis=0)
    with style.context(["default", LOOK]):
        pictures = {
            "intervals": intervals(read_csv(details / "intervals.csv"), run),
            "selective": selective(read_csv(details / "selective.csv"), run),
            "robustness": robustness(read_csv(root / "metrics/robustness.csv"), run),
            "saliency": saliency(read_csv(seen / "patches.csv"), read_csv(seen / "regions.csv"), lines, run),
        }
        for name, picture in pictures.items():
            save(picture, root / f"plots/pictures/{name}.png", settings.dpi)


def intervals(rows: list[Row], run: Run) -> Figure:
    """Draw each figure of both splits with its 95% interval."""
    names = list(dict.fromkeys(row["metric"] for row in rows))
    figure = Figure(figsize=(8.4, 2 + 0.62 * len(names)))
    axes = figure.subplots()
    for shift, split in zip((-0.14, 0.14), REPORTED_SPLITS, strict=True):
        chosen = [row for row in rows if row["split"] == split and row["value"]]
        places = [names.index(row["metric"]) + shift for row in chosen]
        _error_bars(axes, chosen, "value", places, SPLIT_COLOURS[split], split)
    axes.set_yticks(range(len(names)), [name.replace("_", " ").replace("f1", "F1") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.12)
    axes.set_xlim(right=min(axes.get_xlim()[1], FULL))
    figure.legend(loc="outside lower center", ncols=2)
    return titled(figure, "Headline figures with 95% intervals", run.caption("test"))


def selective(rows: list[Row], run: Run) -> Figure:
    """Draw accuracy over the share of faces that are answered when the least certain are declined."""
    figure = Figure(figsize=(SMALLEST, 5.2))
    axes = figure.subplots()
    curves = {
        split: _curve([row for row in rows if row["split"] == split and row["accuracy"]]) for split in REPORTED_SPLITS
    }
    upper = max(REPORTED_SPLITS, key=lambda split: curves[split][:, 1].mean())
    for split, curve in curves.items():
        coverage, accuracy, low, high = curve.T
        axes.plot(coverage, accuracy, color=SPLIT_COLOURS[split], marker="o", label=split)
        axes.fill_between(coverage, low, high, color=SPLIT_COLOURS[split], alpha=0.15, linewidth=0)
        for share, height in zip(coverage, accuracy, strict=True):
            _write_beside(axes, f"{height:.0%}", (share, height), (0, 9 if split == upper else -16))
    axes.set(xlabel="share of the faces that are answered", ylabel="accuracy on them")
    axes.margins(x=0.09, y=0.13)
    axes.set(xlim=(1.03, axes.get_xlim()[0]), ylim=(None, min(axes.get_ylim()[1], FULL)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True)
    figure.legend(loc="outside lower center", ncols=2)
    note = "thresholds chosen on validation"
    return titled(figure, "Accuracy when the least certain are declined", f"{run.caption('test')} · {note}, {BANDS}")


def _curve(rows: list[Row]) -> NDArray[np.float64]:
    """Return coverage, accuracy and both ends of its interval, by falling coverage."""
    points = {tuple(float(row[name]) for name in ("coverage", "accuracy", "low", "high")) for row in rows}
    return np.array(sorted(points, reverse=True))


def robustness(rows: list[Row], run: Run) -> Figure:
    """Draw the accuracy under each corruption at each strength, with its 95% interval, as bars."""
    figure = Figure(figsize=(8.4, 1.8 + 0.33 * len(rows)))
    axes = figure.subplots()
    kinds = list(dict.fromkeys(row["corruption"] for row in rows))
    # Half a bar of air between two kinds.
    places = [index + 0.5 * kinds.index(row["corruption"]) for index, row in enumerate(rows)]
    heights = [float(row["accuracy"]) for row in rows]
    colours = [LIGHT_GREY if row["strength"] == "0" else PALE_BLUE for row in rows]
    axes.barh(places, heights, 0.8, color=colours)
    _error_bars(axes, rows, "accuracy", places, BLUE, "", marker="")
    for place, height in zip(places, heights, strict=True):
        _write_beside(axes, f"{height:.0%}", (0, place), (14, -3.5))
    axes.axvline(heights[0], color=GREY, linewidth=1, linestyle="--")
    axes.set_yticks(places, [row["meaning"] for row in rows])
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set(xlabel="accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    corrupted = np.mean([height for height, row in zip(heights, rows, strict=True) if row["strength"] != "0"])
    means = f"{heights[0]:.1%} as they are, {corrupted:.1%} on average when corrupted"
    caption = f"{run.caption('validation')}\n{int(rows[0]['faces']):,} of the faces: {means}, {BANDS}"
    return titled(figure, "Accuracy on corrupted faces, validation split", caption)


def saliency(patches: list[Row], regions: list[Row], lines: NDArray[np.float64], run: Run) -> Figure:
    """Draw, for each class, what covering each part of the face takes from the probability of the label.

    Args:
        patches: rows of `metrics/saliency/patches.csv`.
        regions: rows of `metrics/saliency/regions.csv`.
        lines: shape (48, 48), grey, 0-255, the mean of many faces, drawn over each map as lines of equal grey.
        run: what the title says.
    """
    classes = [row for row in regions if row["class"] not in MEANS]
    columns = max(min(PANELS, len(classes)), 3)
    height = ceil(len(classes) / columns)
    figure = Figure(figsize=(2.6 * columns + 1.2, 1.4 + 3.1 * height))
    grid = figure.subplots(height, columns, squeeze=False).ravel()
    for axes in grid[len(classes) :]:
        axes.set_visible(False)
    for axes, row in zip(grid, classes, strict=False):
        picture = _draw_map(axes, [patch for patch in patches if patch["class"] == row["class"]], row, lines)
    bar = figure.colorbar(picture, ax=grid.tolist(), shrink=0.5, aspect=30, format=PercentFormatter(1, decimals=0))
    bar.set_label("share of the class's largest fall")
    how = "what covering a patch takes from the label's probability, mean over faces with the right answer"
    shares = "; ".join(f"{MEANS[row['class']]} {_shares_in_words(row)}" for row in regions if row["class"] in MEANS)
    caption = f"{run.caption('validation')}\n{how}\n{shares}"
    return titled(figure, "Where the network looks, validation split", caption)


def _draw_map(axes: Axes, patches: list[Row], region: Row, lines: NDArray[np.float64]) -> AxesImage:
    """Draw the map of one class, and below it in words where it is dark; blank for a class without faces."""
    middles = sorted({int(patch["row"]) for patch in patches})
    drops = np.array([float(patch["drop"] or 0) for patch in patches]).reshape(len(middles), -1)
    largest = max(drops.max(), SMALLEST_FALL)
    # A patch stands for the pixels around its middle, half a step each way.
    reach = (middles[1] - middles[0]) / 2
    first, last = middles[0] - reach - 0.5, middles[-1] + reach - 0.5
    extent = (first, last, last, first)
    picture = axes.imshow(drops / largest, cmap="YlOrRd", vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    axes.contour(lines, levels=8, colors="black", linewidths=0.5, alpha=0.5)
    axes.set(xlim=(first, last), ylim=(last, first), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{region['class']}, {int(region['faces']):,} faces")
    axes.set_xlabel(f"{_shares_in_words(region)}\nlargest fall {100 * largest:.1f} points", fontsize=9)
    return picture


def _shares_in_words(region: Row) -> str:
    if not region["mouth"]:
        return "no face to look at"
    return f"brows and eyes {float(region['brows_and_eyes']):.0%}, mouth {float(region['mouth']):.0%}"


def _error_bars(
    axes: Axes, rows: list[Row], value: str, places: list[float], colour: str, label: str, marker: str = "o"
) -> None:
    """Draw the interval of each row as a horizontal line, and the value itself as a marker."""
    values = np.array([float(row[value]) for row in rows])
    reach = [values - [float(row["low"]) for row in rows], [float(row["high"]) for row in rows] - values]
    axes.errorbar(values, places, xerr=reach, fmt=marker or "none", color=colour, capsize=3, label=label)


def _write_beside(axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float]) -> None:
    axes.annotate(text, point, offset, textcoords="offset points", ha="center", fontsize=9)
