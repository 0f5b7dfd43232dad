from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from small_figures import DPI, contents, cut_off, room_below_caption, settings, texts_of
from small_runs import write_run

from emotion.files import read_csv
from emotion.labels import COLOURS, NAMES
from emotion.report import figures

PICTURES = {"distribution", "training"} | {
    f"{name}_{split}" for name in ("confusion", "classes", "reliability") for split in ("validation", "test")
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ("happy", "sad", "fear"))


@pytest.fixture(scope="module")
def run(root: Path) -> figures.Run:
    return figures.read_run(root)


@pytest.fixture(scope="module")
def drawn(root: Path) -> dict[str, bytes]:
    figures.draw_pictures(root, settings())
    return contents(root)


def test_every_picture_is_drawn_and_carries_no_software_or_time(drawn: dict[str, bytes]) -> None:
    assert set(drawn) == {f"{name}.png" for name in PICTURES}
    for content in drawn.values():
        with Image.open(io.BytesIO(content)) as picture:
            assert set(picture.info) <= {"dpi"}


def test_equal_files_give_equal_bytes_whatever_style_a_person_has_set(root: Path, drawn: dict[str, bytes]) -> None:
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
    root = write_run(tmp_path, classes)
    details, run = root / "metrics/details", figures.read_run(root)
    for picture in (
        figures.class_distribution(read_csv(root / "plots/data/classes.csv"), run),
        figures.training_curves(read_csv(root / "plots/training/history.csv"), run),
        figures.confusion_matrix(read_csv(details / "test_confusion.csv"), "test", run, "Blues"),
        figures.class_scores(read_csv(details / "test_classes.csv"), "test", run),
        figures.reliability(read_csv(details / "test_reliability.csv"), "test", run),
    ):
        assert cut_off(picture) <= 0
        assert room_below_caption(picture) >= 0


def test_titles_carry_dataset_network_and_accuracy(root: Path, run: figures.Run) -> None:
    rows = read_csv(root / "metrics/details/test_confusion.csv")
    title = " ".join(texts_of(figures.confusion_matrix(rows, "test", run, "Blues")))
    for part in ("Confusion matrix, test", "FER-2013 (msambare/fer2013, version 1)", "resnet"):
        assert part in title
    assert f"test accuracy {run.headlines['test']['accuracy']:.2%}" in title


def test_confusion_matrix_shows_counts_and_shares_and_leaves_a_class_without_faces_empty(run: figures.Run) -> None:
    rows = [{"actual": "happy", "happy": "1200", "sad": "400"}, {"actual": "sad", "happy": "0", "sad": "0"}]
    texts = texts_of(figures.confusion_matrix(rows, "test", run, "Blues"))
    assert {"1,200", "400", "75%", "25%"} <= set(texts)
    assert texts.count("0%") == 0


@pytest.mark.parametrize("colormap", ["Blues", "cividis", "viridis", "magma", "Greys"])
def test_numbers_in_the_matrix_stand_out_from_their_cells(run: figures.Run, colormap: str) -> None:
    shares = np.linspace(0, 100, 11).astype(int)
    for share in shares:
        rows = [
            {"actual": "happy", "happy": str(share), "sad": str(100 - share)},
            {"actual": "sad", "happy": "0", "sad": "100"},
        ]
        cells = figures.confusion_matrix(rows, "test", run, colormap).axes[1]
        colours = cells.images[0].get_cmap()(np.asarray(cells.images[0].get_array())).reshape(-1, 4)
        for text, colour in zip(cells.texts, colours, strict=True):
            ink, paper = figures._luminance(mpl.colors.to_rgba(text.get_color())), figures._luminance(tuple(colour))
            assert (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05) >= 4.5  # WCAG's AA for text


@pytest.mark.parametrize(("keep", "epoch"), [("best", 3), ("last", 4)])
def test_kept_epoch_is_marked(root: Path, run: figures.Run, keep: str, epoch: int) -> None:
    kept = figures.Run(run.dataset, run.architecture, keep, run.headlines)
    assert f"kept: epoch {epoch}" in texts_of(
        figures.training_curves(read_csv(root / "plots/training/history.csv"), kept)
    )


def test_one_epoch_shows_its_points(tmp_path: Path) -> None:
    root = write_run(tmp_path, epochs=1)
    picture = figures.training_curves(read_csv(root / "plots/training/history.csv"), figures.read_run(root))
    assert all(line.get_marker() != "None" for line in picture.axes[0].lines[:2])


def test_distribution_has_the_class_colours_and_shares_of_each_split(run: figures.Run) -> None:
    rows = [
        {"split": split, "class": name, "faces": faces}
        for split, counts in {"train": "31", "validation": "11", "test": "00"}.items()
        for name, faces in zip(("happy", "sad"), counts, strict=True)
    ]
    train, _, test = figures.class_distribution(rows, run).axes
    bars: list[Any] = list(train.patches)
    assert [bar.get_width() for bar in bars] == [0.75, 0.25]
    assert [mpl.colors.to_hex(bar.get_facecolor()).upper() for bar in bars] == [COLOURS["happy"], COLOURS["sad"]]
    assert test.get_title() == "test: 0 faces"


def test_a_network_without_mistakes_is_drawn(tmp_path: Path) -> None:
    figures.draw_pictures(write_run(tmp_path, ("happy", "sad"), perfect=True), settings())
