from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure
from small_figures import contents, cut_off, room_below_caption, settings, texts_of
from small_runs import write_run

from emotion import dataset
from emotion.files import read_csv
from emotion.labels import NAMES
from emotion.report import diagrams
from emotion.report.figures import Run, read_run

PICTURES = {"intervals", "robustness", "saliency", "selective"}


def draw(root: Path) -> dict[str, bytes]:
    diagrams.draw_diagrams(root, dataset.load(root / "data/faces/validation.npz").pixels, settings())
    return contents(root)


def figures_of(root: Path, run: Run) -> dict[str, Figure]:
    details, seen = root / "metrics/details", root / "metrics/saliency"
    return {
        "intervals": diagrams.intervals(read_csv(details / "intervals.csv"), run),
        "selective": diagrams.selective(read_csv(details / "selective.csv"), run),
        "robustness": diagrams.robustness(read_csv(root / "metrics/robustness.csv"), run),
        "saliency": diagrams.saliency(
            read_csv(seen / "patches.csv"), read_csv(seen / "regions.csv"), np.eye(48) * 255, run
        ),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return read_run(root)


def test_every_picture_is_drawn_the_same_whatever_style_a_person_has_set(root: Path) -> None:
    drawn = draw(root)
    assert set(drawn) == {f"{name}.png" for name in PICTURES}
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red", "lines.linewidth": 9}):
        assert draw(root) == drawn


@pytest.mark.parametrize("classes", [NAMES, ("happy", "sad")])
def test_no_label_is_cut_off_for_any_number_of_classes(tmp_path: Path, classes: tuple[str, ...]) -> None:
    root = write_run(tmp_path, classes)
    for picture in figures_of(root, read_run(root)).values():
        assert cut_off(picture) <= 0
        assert room_below_caption(picture) >= 0


def test_titles_carry_dataset_network_and_accuracy(root: Path, run: Run) -> None:
    for name, picture in figures_of(root, run).items():
        split = "test" if name in {"intervals", "selective"} else "validation"
        title = " ".join(texts_of(picture))
        assert "FER-2013 (msambare/fer2013, version 1) · resnet" in title
        assert f"{split} accuracy {run.headlines[split]['accuracy']:.2%}" in title


def test_no_face_can_be_seen_in_any_picture(root: Path, run: Run) -> None:
    for picture in figures_of(root, run).values():
        for image in (image for axes in picture.axes for image in axes.images):
            assert np.asarray(image.get_array()).size < 48 * 48 / 20


def test_corruptions_are_named_by_what_was_done_and_the_mean_is_told(run: Run) -> None:
    rows = [
        {"corruption": kind, "strength": strength, "accuracy": accuracy, "low": "0.1", "high": "0.9", "faces": "1000"}
        | {"meaning": meaning}
        for kind, strength, accuracy, meaning in (
            ("clean", "0", "0.8", "as they are"),
            ("noise", "1", "0.6", "noise of 5 grey levels"),
            ("blur", "1", "0.3", "blur of 2 pixels"),
        )
    ]
    texts = texts_of(diagrams.robustness(rows, run))
    assert {"as they are", "noise of 5 grey levels", "blur of 2 pixels", "80%", "60%", "30%"} <= set(texts)
    assert "1,000 of the faces: 80.0% as they are, 45.0% on average when corrupted" in " ".join(texts)


def test_a_figure_that_there_is_none_of_leaves_its_line_empty(run: Run) -> None:
    rows = [
        {"split": "test", "metric": "accuracy", "value": "0.5", "low": "0.4", "high": "0.6"},
        {"split": "test", "metric": "accuracy_unseen", "value": "", "low": "", "high": ""},
    ]
    assert {"accuracy", "accuracy unseen"} <= set(texts_of(diagrams.intervals(rows, run)))


def test_the_curve_has_each_share_once_and_leaves_out_what_answers_nothing(run: Run) -> None:
    figures = ("rule", "coverage", "accuracy", "low", "high")
    rows = [
        {"split": split, **dict(zip(figures, row, strict=True))}
        for split in ("validation", "test")
        for row in (
            ("100%", "1.0", "0.6", "0.5", "0.7"),
            ("80%", "0.8", "0.7", "0.6", "0.8"),
            ("uncertain", "0.8", "0.7", "0.6", "0.8"),
            ("50%", "0.0", "", "", ""),
        )
    ]
    curve = diagrams.selective(rows, run).axes[0].lines[0]
    np.testing.assert_array_equal(curve.get_xydata(), [[1, 0.6], [0.8, 0.7]])


def test_a_map_is_dark_where_the_patch_took_most_and_says_how_much(run: Run) -> None:
    places = [(row, column) for row in (6, 10) for column in (6, 10)]
    drops = ("0.02", "0.05", "-0.01", "0.0")
    patches = [
        {"class": "happy", "row": str(row), "column": str(column), "drop": drop}
        for (row, column), drop in zip(places, drops, strict=True)
    ] + [{"class": "sad", "row": str(row), "column": str(column), "drop": ""} for row, column in places]
    regions = [
        {"class": name, "faces": faces, "brows_and_eyes": eyes, "mouth": mouth}
        for name, faces, eyes, mouth in (
            ("happy", "30", "0.25", "0.5"),
            ("sad", "0", "", ""),
            ("all", "30", "0.25", "0.5"),
            ("even", "", "0.3", "0.3"),
        )
    ]
    picture = diagrams.saliency(patches, regions, np.eye(48), run)
    happy, sad = (np.asarray(axes.images[0].get_array()) for axes in picture.axes[:2])
    np.testing.assert_allclose(happy, [[0.4, 1], [-0.2, 0]])
    assert not sad.any()
    texts = texts_of(picture)
    assert "brows and eyes 25%, mouth 50%\nlargest fall 5.0 points" in texts
    assert any("all classes: brows and eyes 25%, mouth 50%" in text for text in texts)
