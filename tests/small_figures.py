"""What the tests of every figure measure: its texts, what is cut off and what overlaps."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from emotion.params import Plot

DPI = 60


def settings(colormap: Literal["Blues", "viridis"] = "Blues") -> Plot:
    return Plot(dpi=DPI, colormap=colormap, sample_faces=9)


def contents(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((root / "plots").rglob("*.png"))}


def texts_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text) and text.get_text()]


def cut_off(figure: Figure) -> float:
    """Return by how many inches what is drawn exceeds the picture."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    drawn, page = figure.get_tightbbox(), figure.bbox_inches
    return float(max(page.x0 - drawn.x0, page.y0 - drawn.y0, drawn.x1 - page.x1, drawn.y1 - page.y1))


def room_below_caption(figure: Figure) -> float:
    """Return by how many pixels the caption clears what is drawn below it."""
    caption = min(text.get_window_extent().y0 for text in figure.texts)
    return float(caption - max(box.y1 for axes in figure.axes if (box := axes.get_tightbbox()) is not None))
