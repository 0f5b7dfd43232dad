from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from small_figures import DPI, contents, cut_off, room_below_caption, settings, texts_of
from small_runs import write_run

from emotion.dataframes import stack_splits
from emotion.labels import COLOURS, NAMES
from emotion.report import charts, figures
from emotion.report.run_files import Run, read_confusions, read_reliabilities, read_run, read_table

PICTURES = {"distribution", "training"} | {
    f"{name}_{split}" for name in ("confusion", "classes", "reliability") for split in ("validation", "test")
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ("happy", "sad", "fear"))


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return read_run(root)


@pytest.fixture(scope="module")
def drawn(root: Path) -> dict[str, bytes]:
    figures.draw_pictures(root, settings())
    return contents(root)


def test_every_picture_is_drawn_and_carries_no_software_or_time(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == {f"{name}.png" for name in PICTURES}
    for content in drawn.values():
        with Image.open(io.BytesIO(content)) as picture:
            assert set(picture.info) <= {"dpi"}


def test_equal_files_give_equal_bytes_regardless_of_the_users_style(root: Path, drawn: dict[str, bytes]) -> None:
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "savefig.facecolor": "green", "lines.linewidth": 9}):
        figures.draw_pictures(root, settings())
        assert mpl.rcParams["font.size"] == 20, "the style of the caller was changed"
    assert contents(root) == drawn


def test_colormap_is_that_of_the_settings_and_colours_only_the_matrices(root: Path, drawn: dict[str, bytes]) -> None:
    figures.draw_pictures(root, settings(colormap="viridis"))
    changed = {name for name, content in contents(root).items() if content != drawn[name]}
    assert changed == {"confusion_test.png", "confusion_validation.png"}


def test_resolution_is_that_of_the_settings(drawn: dict[str, bytes]) -> None:
    with Image.open(io.BytesIO(drawn["training.png"])) as picture:
        assert picture.width == 11 * DPI


@pytest.mark.parametrize("classes", [NAMES, tuple(name for name in NAMES if name != "disgust"), ("happy", "sad")])
def test_no_label_is_cut_off_for_any_number_of_classes(tmp_path: Path, classes: tuple[str, ...]) -> None:
    root = write_run(tmp_path, classes, voted=True)
    run = read_run(root)
    for picture in (
        figures.class_distribution(read_table(root, "plots/data/classes.csv"), run),
        figures.training_curves(read_table(root, "plots/training/history.csv"), run),
        *(figures.confusion_matrix(table, "test", run, "Blues") for table in read_confusions(root, "test").values()),
        figures.class_scores(read_table(root, "metrics/details/test_classes.csv"), "test", run),
        *(figures.reliability(table, "test", run) for table in read_reliabilities(root, "test").values()),
    ):
        assert cut_off(picture) <= 0
        assert room_below_caption(picture) >= 0


def test_titles_carry_dataset_network_and_accuracy(root: Path, run: Run) -> None:
    title = " ".join(
        texts_of(figures.confusion_matrix(read_confusions(root, "test")["confusion_test"], "test", run, "Blues"))
    )
    for part in ("Confusion matrix, test", "FER-2013 (msambare/fer2013, version 1)", "resnet"):
        assert part in title
    assert f"test accuracy {run.headlines['test']['accuracy']:.2%}" in title


def test_confusion_matrix_shows_counts_and_shares_and_leaves_a_class_without_faces_empty(run: Run) -> None:
    table = pd.DataFrame({"actual": ["happy", "sad"], "happy": [1200, 0], "sad": [400, 0]})
    texts = texts_of(figures.confusion_matrix(table, "test", run, "Blues"))
    assert {"1,200", "400", "75%", "25%"} <= set(texts)
    assert texts.count("0%") == 0


def test_reliability_on_votes_shows_the_share_of_the_raters(tmp_path: Path) -> None:
    root = write_run(tmp_path, ("happy", "sad"), voted=True)
    run, found = read_run(root), read_reliabilities(root, "test")
    assert list(found) == ["reliability_test", "reliability_test_votes"]
    labels, votes = (" ".join(texts_of(figures.reliability(table, "test", run))) for table in found.values())
    assert "raters who agree" in votes
    assert "raters who agree" not in labels
    assert f"expected calibration error on the votes {run.votes['test']['calibration_error']:.2%}" in votes
    assert f"expected calibration error on the labels {run.headlines['test']['calibration_error']:.2%}" in labels


def test_majority_for_an_expression_that_the_network_lacks_has_a_row(tmp_path: Path) -> None:
    root = write_run(tmp_path, ("happy", "sad"), voted=True)
    table = read_confusions(root, "test")["confusion_test_votes"]
    figure = figures.confusion_matrix(table, "test", read_run(root), "Blues")
    assert "Share of the raters' majority" in texts_of(figure)
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == table["majority"].tolist()
    assert [text.get_text() for text in figure.axes[0].get_xticklabels()] == ["happy", "sad"]
    assert len(table) == 8
    figures.draw_pictures(root, settings())
    assert {f"confusion_{split}_votes.png" for split in ("test", "validation")} <= contents(root).keys()


@pytest.mark.parametrize("colormap", ["Blues", "cividis", "viridis", "magma", "Greys"])
def test_numbers_in_the_matrix_contrast_with_their_cells(run: Run, colormap: str) -> None:
    for share in range(0, 101, 10):
        table = pd.DataFrame({"actual": ["happy", "sad"], "happy": [share, 0], "sad": [100 - share, 100]})
        cells = figures.confusion_matrix(table, "test", run, colormap).axes[1]
        colours = cells.images[0].get_cmap()(np.asarray(cells.images[0].get_array())).reshape(-1, 4)
        for text, colour in zip(cells.texts, colours, strict=True):
            front, back = charts._luminance(mpl.colors.to_rgba(text.get_color())), charts._luminance(tuple(colour))
            assert (max(front, back) + 0.05) / (min(front, back) + 0.05) >= 4.5  # level AA of WCAG for text


@pytest.mark.parametrize(("keep", "epoch"), [("best", 3), ("last", 4)])
def test_kept_epoch_is_marked(root: Path, run: Run, keep: str, epoch: int) -> None:
    history = read_table(root, "plots/training/history.csv")
    assert f"kept: epoch {epoch}" in texts_of(figures.training_curves(history, replace(run, keep=keep)))


def test_one_epoch_shows_its_points(tmp_path: Path) -> None:
    root = write_run(tmp_path, epochs=1)
    picture = figures.training_curves(read_table(root, "plots/training/history.csv"), read_run(root))
    assert all(line.get_marker() != "None" for line in picture.axes[0].lines[:2])


def test_distribution_has_the_class_colours_and_shares_of_each_split(run: Run) -> None:
    counts = {"train": [3, 1], "validation": [1, 1], "test": [0, 0]}
    tables = {split: pd.DataFrame({"class": ["happy", "sad"], "faces": faces}) for split, faces in counts.items()}
    train, _, test = figures.class_distribution(stack_splits(tables), run).axes
    bars: list[Any] = list(train.patches)
    assert [bar.get_width() for bar in bars] == [0.75, 0.25]
    assert [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in bars] == [COLOURS["happy"], COLOURS["sad"]]
    assert test.get_title() == "test: 0 faces"


def test_a_network_without_mistakes_is_drawn(tmp_path: Path) -> None:
    figures.draw_pictures(write_run(tmp_path, ("happy", "sad"), perfect=True), settings())
