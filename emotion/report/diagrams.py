"""Figures of how far a network can be trusted: intervals, withheld predictions, corrupted faces, and where it looks.

Drawn like `figures`, from the files of the stages before. None of the figures shows a single face.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from emotion.labels import REPORTED_SPLITS
from emotion.params import Plot
from emotion.report.charts import BLUE, GREY, MIN_WIDTH, ORANGE, PALE_BLUE, STYLE, add_title, save
from emotion.report.run_files import Run, read_run, read_table

SPLIT_COLOURS: Final = {"validation": ORANGE, "test": BLUE}
LIGHT_GREY: Final = "#BDBDBD"
FULL: Final = 1.005
"""Upper limit of an axis of shares that reaches 100%."""

WITH_INTERVALS: Final = "with 95% confidence intervals"
PANELS: Final = 4
"""Largest number of maps side by side."""

SUMMARIES: Final = {"all": "all classes:", "even": "a uniform map:"}
"""Rows of the regions that stand for no single class, and their names in the caption."""

MIN_DROP: Final = 0.001
"""A map whose drops in probability are all smaller stays pale."""


def draw_diagrams(root: Path, pixels: NDArray[np.uint8], settings: Plot) -> None:
    """Draw the figures into `plots/pictures/` below `root`.

    Args:
        root: the folder with the pipeline's folders.
        pixels: uint8, shape (n, 48, 48), the validation faces; their mean gives the outlines of a face.
        settings: the settings of the figures.
    """
    run, mean_face = read_run(root), pixels.mean(axis=0)
    patches, regions = (read_table(root, f"metrics/saliency/{name}.csv") for name in ("patches", "regions"))
    with style.context(["default", STYLE]):
        drawn = {
            "intervals": intervals(read_table(root, "metrics/details/intervals.csv"), run),
            "selective": selective(read_table(root, "metrics/details/selective.csv"), run),
            "robustness": robustness(read_table(root, "metrics/robustness.csv"), run),
            "saliency": saliency(patches, regions, mean_face, run),
        }
        for name, figure in drawn.items():
            save(figure, root / f"plots/pictures/{name}.png", settings.dpi)


def intervals(table: pd.DataFrame, run: Run) -> Figure:
    """Draw the headline figures of both splits with their 95% confidence intervals."""
    names = table["metric"].unique().tolist()
    figure = Figure(figsize=(8.4, 2 + 0.62 * len(names)))
    axes = figure.subplots()
    for shift, split in zip((-0.14, 0.14), REPORTED_SPLITS, strict=True):
        rows = table[table["split"] == split].dropna(subset="value")
        heights = [names.index(name) + shift for name in rows["metric"]]
        _error_bars(axes, rows["value"], rows, heights, color=SPLIT_COLOURS[split], label=split, fmt="o")
    axes.set_yticks(range(len(names)), [name.replace("_", " ").replace("f1", "F1") for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="x")
    axes.margins(x=0.12)
    axes.set_xlim(right=min(axes.get_xlim()[1], FULL))
    figure.legend(loc="outside lower center", ncols=2)
    return add_title(figure, f"Headline figures {WITH_INTERVALS}", run.caption("test"))


def selective(table: pd.DataFrame, run: Run) -> Figure:
    """Draw accuracy over the share of predictions kept when the least confident ones are withheld."""
    figure = Figure(figsize=(MIN_WIDTH, 5.2))
    axes = figure.subplots()
    kept = table.dropna(subset="accuracy").drop_duplicates(["split", "coverage"])
    kept = kept.sort_values("coverage", ascending=False)
    curves = {split: kept[kept["split"] == split] for split in REPORTED_SPLITS}
    upper = max(REPORTED_SPLITS, key=lambda split: curves[split]["accuracy"].mean())
    for split, curve in curves.items():
        coverage, accuracy = curve["coverage"], curve["accuracy"]
        axes.plot(coverage, accuracy, color=SPLIT_COLOURS[split], marker="o", label=split)
        axes.fill_between(coverage, curve["low"], curve["high"], color=SPLIT_COLOURS[split], alpha=0.15, linewidth=0)
        for point in zip(coverage, accuracy, strict=True):
            _write_beside(axes, f"{point[1]:.0%}", point, (0, 9 if split == upper else -16))
    axes.set(xlabel="share of predictions kept", ylabel="accuracy on their labels")
    axes.margins(x=0.09, y=0.13)
    axes.set(xlim=(1.03, axes.get_xlim()[0]), ylim=(None, min(axes.get_ylim()[1], FULL)))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True)
    figure.legend(loc="outside lower center", ncols=2)
    caption = f"{run.caption('test')}\nthresholds chosen on validation, {WITH_INTERVALS}"
    return add_title(figure, "Accuracy without the least confident predictions", caption)


def robustness(table: pd.DataFrame, run: Run) -> Figure:
    """Draw the accuracy under each corruption at each strength as bars, with 95% confidence intervals."""
    figure = Figure(figsize=(8.4, 1.8 + 0.33 * len(table)))
    axes = figure.subplots()
    accuracy, clean = table["accuracy"], table["strength"] == 0
    # Half a bar of space between two kinds.
    places = (table.index + 0.5 * pd.factorize(table["corruption"])[0]).tolist()
    axes.barh(places, accuracy, 0.8, color=np.where(clean, LIGHT_GREY, PALE_BLUE))
    _error_bars(axes, accuracy, table, places, color=BLUE, fmt="none")
    for place, value in zip(places, accuracy, strict=True):
        _write_beside(axes, f"{value:.0%}", (0, place), (14, -3.5))
    axes.axvline(accuracy[0], color=GREY, linewidth=1, linestyle="--")
    axes.set_yticks(places, table["meaning"])
    axes.set_ylim(places[-1] + 0.7, -0.7)
    axes.set(xlabel="accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=True, axis="x")
    axes.tick_params(axis="y", length=0)
    means = f"{accuracy[0]:.1%} as they are, {accuracy[~clean].mean():.1%} on average when corrupted"
    caption = f"{run.caption('validation')}\n{table['faces'][0]:,} of the faces: {means}, {WITH_INTERVALS}"
    return add_title(figure, "Accuracy on corrupted faces, validation split", caption)


def saliency(patches: pd.DataFrame, regions: pd.DataFrame, mean_face: NDArray[np.float64], run: Run) -> Figure:
    """Draw, for each class, how far covering each part of the face lowers the probability of the label.

    Args:
        patches: the table `metrics/saliency/patches.csv`.
        regions: the table `metrics/saliency/regions.csv`.
        mean_face: shape (48, 48), grey, 0-255, the mean of many faces; its contour lines are drawn over each map.
        run: the run, for the caption.
    """
    shares = regions.set_index("class").to_dict("index")
    classes = [name for name in shares if name not in SUMMARIES]
    columns = max(min(PANELS, len(classes)), 3)
    lines = ceil(len(classes) / columns)
    figure = Figure(figsize=(2.6 * columns + 1.2, 1.4 + 3.1 * lines))
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[len(classes) :]:
        axes.set_visible(False)
    for axes, name in zip(grid, classes, strict=False):
        image = _draw_map(axes, patches[patches["class"] == name], mean_face)
        axes.set_title(f"{name}, {shares[name]['faces']:,.0f} faces")
        axes.set_xlabel(f"{_describe(shares[name])}\n{axes.get_xlabel()}", fontsize=9)
    bar = figure.colorbar(image, ax=grid.tolist(), shrink=0.5, aspect=30, format=PercentFormatter(1, decimals=0))
    bar.set_label("share of the class's largest drop")
    how = "drop in the label's probability when a patch is covered, mean over correctly classified faces"
    summary = "; ".join(f"{title} {_describe(shares[name])}" for name, title in SUMMARIES.items())
    caption = f"{run.caption('validation')}\n{how}\n{summary}"
    return add_title(figure, "Where the network looks, validation split", caption)


def _draw_map(axes: Axes, patches: pd.DataFrame, mean_face: NDArray[np.float64]) -> AxesImage:
    """Draw the map of one class, with its largest drop below; blank for a class without faces."""
    drops = patches.pivot(index="row", columns="column", values="drop").fillna(0)
    largest = max(drops.to_numpy().max(), MIN_DROP)
    # A patch stands for the pixels around its centre, half a step each way.
    centres = drops.index
    reach = (centres[1] - centres[0]) / 2
    first, last = centres[0] - reach - 0.5, centres[-1] + reach - 0.5
    extent = (first, last, last, first)
    image = axes.imshow(drops / largest, cmap="YlOrRd", vmin=0, vmax=1, extent=extent, interpolation="bilinear")
    axes.contour(mean_face, levels=8, colors="black", linewidths=0.5, alpha=0.5)
    axes.set(xlim=(first, last), ylim=(last, first), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_xlabel(f"largest drop {100 * largest:.1f} points")
    return image


def _describe(region: Mapping[Any, Any]) -> str:
    """Return the shares of eyes and mouth in words."""
    if np.isnan(region["mouth"]):
        return "no correctly classified face"
    return f"brows and eyes {region['brows_and_eyes']:.0%}, mouth {region['mouth']:.0%}"


def _error_bars(axes: Axes, values: pd.Series[float], ends: pd.DataFrame, places: list[float], **style: Any) -> None:
    """Draw the interval of each value as a horizontal line, and the value itself as a marker."""
    reach = [values - ends["low"], ends["high"] - values]
    axes.errorbar(values, places, xerr=reach, capsize=3, **style)


def _write_beside(axes: Axes, text: str, point: tuple[float, float], offset: tuple[float, float]) -> None:
    axes.annotate(text, point, offset, textcoords="offset points", ha="center", fontsize=9)
