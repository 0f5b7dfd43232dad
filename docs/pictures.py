"""Draw the pictures of the documentation that no stage draws.

`python docs/pictures.py`, run in the project's folder, draws sample faces, augmented faces and the graph of the stages;
it needs Graphviz (`dot`). `python docs/pictures.py BEFORE AFTER` takes a screenshot of `dvc plots diff` for two
revisions; it needs Chromium and npm.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from playwright.sync_api import Browser, Playwright, Route, sync_playwright

from emotion import params
from emotion.data.sample_faces import draw_face
from emotion.labels import NAMES
from emotion.networks.keras_setup import prepare

ROWS = 3
COLUMNS = 10
STRENGTHS = {"hiding": 1, "darkness": 0.9, "gamma": 0.8, "blur": 6, "downscaling": 3, "noise": 0.15, "jpeg": 6}
STYLE = (
    'strict digraph { rankdir=LR; bgcolor=white; edge [color="#5F5F5F"]; '
    'node [shape=box style="rounded,filled" fillcolor="#E8F1FA" color="#0072B2" fontname="DejaVu Sans"];'
)
REVIEW = Path("build/review")


def draw_sample_faces(path: Path) -> None:
    """Draw three sample faces of each expression."""
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


def draw_augmentation(path: Path) -> None:
    """Draw faces as each of the settings that imitate cameras changes them."""
    prepare("tensorflow", threads=1, seed=0)
    from emotion.learning.augmentation import Augmentation

    off = dict.fromkeys(params.Augmentation.model_fields, 0)
    faces = np.stack([draw_face(NAMES[i % len(NAMES)], np.random.default_rng(i)) for i in range(COLUMNS)])
    figure = Figure(figsize=(9.5, 7.4), layout="constrained")
    axes = figure.subplots(len(STRENGTHS), COLUMNS)
    for row, (name, strength) in enumerate(STRENGTHS.items()):
        settings = params.Augmentation.model_validate({**off, "camera": 1, name: strength})
        changed = np.asarray(Augmentation(settings, seed=1)(faces, training=True))
        for axis, face in zip(axes[row], changed, strict=True):
            axis.imshow(face[..., 0], cmap="gray", vmin=0, vmax=1)
            axis.set_axis_off()
        axes[row, 0].set_title(f"{name}: {strength}", loc="left", fontsize=9)
    figure.savefig(path, dpi=75, metadata={"Software": None})


def draw_graph(path: Path) -> None:
    """Draw the stages of dvc.yaml and their dependencies."""
    graph = subprocess.run(["dvc", "dag", "--dot"], capture_output=True, text=True, check=True).stdout
    styled = graph.replace("strict digraph {", STYLE, 1)
    subprocess.run(["dot", "-Tpng", "-Gdpi=110", "-o", str(path)], input=styled, text=True, check=True)


def draw_review(before: str, after: str, path: Path) -> None:
    """Take a screenshot of the page of `dvc plots diff` in Chromium, with the chart libraries that the page names."""
    REVIEW.parent.mkdir(exist_ok=True)
    subprocess.run(["dvc", "plots", "diff", before, after, "--out", REVIEW], check=True)
    page = REVIEW / "index.html"
    scripts = re.findall(r'src="[^"]+/npm/([^"]+)"', page.read_text(encoding="utf-8"))
    # The page names exact versions, which npm must install even if it finds that they conflict.
    install = ["npm", "install", "--silent", "--legacy-peer-deps", "--prefix", str(REVIEW)]
    subprocess.run([*install, *scripts], check=True)
    with sync_playwright() as playwright, closing(_launch(playwright)) as browser:
        tab = browser.new_page(viewport={"width": 1100, "height": 800})
        tab.route("**/npm/*", _serve_from_disk)
        tab.goto(page.resolve().as_uri(), wait_until="networkidle")
        tab.screenshot(path=path, full_page=True)


def _launch(playwright: Playwright) -> Browser:
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    return playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])


def _serve_from_disk(route: Route) -> None:
    name = route.request.url.split("/npm/")[1].split("@")[0]
    route.fulfill(path=REVIEW / "node_modules" / name / "build" / f"{name}.min.js")


if __name__ == "__main__":
    match sys.argv[1:]:
        case [before, after]:
            draw_review(before, after, Path("docs/review.png"))
        case _:
            draw_sample_faces(Path("docs/sample_faces.png"))
            draw_augmentation(Path("docs/augmentation.png"))
            draw_graph(Path("docs/graph.png"))
