"""Draw the README's pictures that the pipeline does not: `python docs/pictures.py`, in the project's folder.

The graph needs Graphviz (`dot`) installed.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from emotion.labels import NAMES
from emotion.synthetic import draw_face

ROWS = 3
LOOK = (
    'strict digraph { rankdir=LR; bgcolor=white; edge [color="#5F5F5F"]; '
    'node [shape=box style="rounded,filled" fillcolor="#E8F1FA" color="#0072B2" fontname="DejaVu Sans"];'
)


def draw_sample_faces(path: Path) -> None:
    """Draw a few faces of each expression."""
    figure = Figure(figsize=(9.5, 4.4), layout="constrained")
    axes = figure.subplots(ROWS, len(NAMES))
    for row in range(ROWS):
        for column, name in enumerate(NAMES):
            axis = axes[row, column]
            axis.imshow(draw_face(name, np.random.default_rng([row, column])), cmap="gray", vmin=0, vmax=255)
            axis.set_axis_off()
            if row == 0:
                axis.set_title(name)
    figure.savefig(path, dpi=100, metadata={"Software": None})


def draw_graph(path: Path) -> None:
    """Draw the stages of dvc.yaml and what flows between them."""
    graph = subprocess.run(["dvc", "dag", "--dot"], capture_output=True, text=True, check=True).stdout
    styled = graph.replace("strict digraph {", LOOK, 1)
    subprocess.run(["dot", "-Tpng", "-Gdpi=110", "-o", str(path)], input=styled, text=True, check=True)


if __name__ == "__main__":
    draw_sample_faces(Path("docs/sample_faces.png"))
    draw_graph(Path("docs/graph.png"))
