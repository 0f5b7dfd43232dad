from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from small_figures import contents, cut_off, room_below_caption, settings, texts_of
from small_runs import write_run

from emotion import dataset
from emotion.dataframes import stack_splits
from emotion.labels import NAMES
from emotion.report import diagrams
from emotion.report.run_files import Run, read_run, read_table

PICTURES = {"intervals", "robustness", "saliency", "selective"}


def draw(root: Path) -> dict[str, bytes]:
    diagrams.draw_diagrams(root, dataset.load(root / "data/faces/validation.npz").pixels, settings())
    return contents(root)


def figures_of(root: Path, run: Run) -> dict[str, Figure]:
    patches, regions = (read_table(root, f"metrics/saliency/{name}.csv") for name in ("patches", "regions"))
    return {
        "intervals": diagrams.intervals(read_table(root, "metrics/details/intervals.csv"), run),
        "selective": diagrams.selective(read_table(root, "metrics/details/selective.csv"), run),
        "robustness": diagrams.robustness(read_table(root, "metrics/robustness.csv"), run),
        "saliency": diagrams.saliency(patches, regions, np.eye(48) * 255, run),
    }


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def run(root: Path) -> Run:
    return read_run(root)


def test_every_picture_is_drawn_the_same_regardless_of_the_users_style(root: Path) -> None:
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


def test_corruptions_are_described_and_their_mean_is_given(run: Run) -> None:
    rows = [
        ("clean", 0, 0.8, "as they are"),
        ("noise", 1, 0.6, "noise of 5 grey levels"),
        ("blur", 1, 0.3, "blur of 2 pixels"),
    ]
    table = pd.DataFrame(rows, columns=["corruption", "strength", "accuracy", "meaning"])
    texts = texts_of(diagrams.robustness(table.assign(low=0.1, high=0.9, faces=1000), run))
    assert {"as they are", "noise of 5 grey levels", "blur of 2 pixels", "80%", "60%", "30%"} <= set(texts)
    assert "1,000 of the faces: 80.0% as they are, 45.0% on average when corrupted" in " ".join(texts)


def test_a_missing_figure_leaves_its_line_empty(run: Run) -> None:
    rows = [("accuracy", 0.5, 0.4, 0.6), ("accuracy_unseen", np.nan, np.nan, np.nan)]
    table = pd.DataFrame(rows, columns=["metric", "value", "low", "high"]).assign(split="test")
    assert {"accuracy", "accuracy unseen"} <= set(texts_of(diagrams.intervals(table, run)))


def test_the_curve_has_each_share_once_and_leaves_out_empty_rules(run: Run) -> None:
    rows = [
        ("100%", 1.0, 0.6, 0.5, 0.7),
        ("80%", 0.8, 0.7, 0.6, 0.8),
        ("uncertain", 0.8, 0.7, 0.6, 0.8),
        ("50%", 0.0, np.nan, np.nan, np.nan),
    ]
    table = pd.DataFrame(rows, columns=["rule", "coverage", "accuracy", "low", "high"])
    curve = diagrams.selective(stack_splits({"validation": table, "test": table}), run).axes[0].lines[0]
    np.testing.assert_array_equal(curve.get_xydata(), [[1, 0.6], [0.8, 0.7]])


def test_a_map_is_darkest_at_the_largest_drop_and_names_it(run: Run) -> None:
    places = pd.MultiIndex.from_product([("happy", "sad"), (6, 10), (6, 10)], names=["class", "row", "column"])
    drops = [0.02, 0.05, -0.01, 0, *[np.nan] * 4]
    patches = pd.Series(drops, places, name="drop").reset_index()
    rows = [
        ("happy", 30, 0.25, 0.5),
        ("sad", 0, np.nan, np.nan),
        ("all", 30, 0.25, 0.5),
        ("even", np.nan, 0.3, 0.3),
    ]
    regions = pd.DataFrame(rows, columns=["class", "faces", "brows_and_eyes", "mouth"])
    picture = diagrams.saliency(patches, regions, np.eye(48), run)
    happy, sad = (np.asarray(axes.images[0].get_array()) for axes in picture.axes[:2])
    np.testing.assert_allclose(happy, [[0.4, 1], [-0.2, 0]])
    assert not sad.any()
    texts = texts_of(picture)
    assert "brows and eyes 25%, mouth 50%\nlargest drop 5.0 points" in texts
    assert any("all classes: brows and eyes 25%, mouth 50%" in text for text in texts)
