from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from small_figures import contents, cut_off, room_below_caption, settings, texts_of
from small_runs import faces_of, write_run

from emotion import dataset
from emotion.errors import DataError
from emotion.labels import NAMES, REPORTED_SPLITS
from emotion.report import face_grids


def draw_grids(root: Path) -> None:
    faces = {split: dataset.load(root / f"data/faces/{split}.npz") for split in REPORTED_SPLITS}
    face_grids.draw_grids(root, faces, settings())


def test_samples_are_random_distinct_and_the_same_each_time() -> None:
    predictions = pd.DataFrame({"actual": ["sad"] * 50, "predicted": ["sad"] * 50})
    chosen = face_grids.choose_samples(predictions, 20)
    assert len(set(chosen)) == 20
    assert chosen == face_grids.choose_samples(predictions, 20) != list(range(20))
    assert face_grids.choose_samples(predictions[:3], 20) == [0, 1, 2]


def test_mistakes_come_in_order_of_probability_and_correct_predictions_never() -> None:
    rows = [("sad", "happy", 0.6), ("happy", "happy", 0.9), ("sad", "happy", 0.8), ("sad", "happy", 0.6)]
    predictions = pd.DataFrame(rows, columns=["actual", "predicted", "happy"])
    predictions["sad"] = 1 - predictions["happy"]
    assert face_grids.choose_mistakes(predictions, 9) == [2, 0, 3]
    assert face_grids.choose_mistakes(predictions, 1) == [2]


def test_grid_names_the_label_of_a_mistake_and_ticks_correct_predictions() -> None:
    rows = [("sad", "happy", 0.61, 0.25), ("sad", "sad", 0.09, 0.91)]
    predictions = pd.DataFrame(rows, columns=["actual", "predicted", "happy", "sad"])
    figure = face_grids.face_grid(np.zeros((2, 48, 48), np.uint8), predictions, [0, 1], "Predictions", "of a run")
    assert {"✗ happy 61%", "label: sad 25%", "✓ sad 91%"} <= set(texts_of(figure))


def test_grid_shows_the_faces_that_belong_to_the_predictions() -> None:
    predictions = pd.DataFrame({"actual": ["sad"] * 5, "predicted": ["sad"] * 5, "sad": [1.0] * 5})
    pixels = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((48, 48), np.uint8)
    axes = face_grids.face_grid(pixels, predictions, [4, 1], "Predictions", "of a run").axes
    shown = [int(np.asarray(part.images[0].get_array())[0, 0]) for part in axes]
    assert shown == [4, 1]


def test_doubtful_labels_take_turns_by_class_the_most_doubtful_first() -> None:
    faces = [(split, name) for split in ("validation", "test") for name in "abc"]
    predictions = pd.DataFrame(faces, columns=["split", "name"])
    ranked = [("sad", "test", "b"), ("sad", "validation", "a"), ("fear", "test", "a"), ("sad", "test", "c")]
    doubtful = pd.DataFrame(ranked, columns=["label", "split", "name"])
    assert face_grids.choose_doubtful(predictions, doubtful, 9) == [3, 4, 0, 5]
    assert face_grids.choose_doubtful(predictions, doubtful, 2) == [3, 4]


def test_grids_are_drawn_the_same_each_time_regardless_of_the_users_style(tmp_path: Path) -> None:
    root = write_run(tmp_path, ("happy", "sad", "fear"))
    draw_grids(root)
    drawn = contents(root)
    assert set(drawn) == {"samples.png", "mistakes.png", "doubtful.png"}
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        draw_grids(root)
    assert contents(root) == drawn


@pytest.mark.parametrize("number", [0, 1, 3, 9])
def test_no_label_is_cut_off(number: int) -> None:
    faces = faces_of(NAMES, 9, 0)
    predictions = pd.DataFrame({"actual": np.array(NAMES)[faces.labels], **dict.fromkeys(NAMES, 1.0)})
    picture = face_grids.face_grid(
        faces.pixels,
        predictions.assign(predicted="surprise"),
        range(number),
        "Predictions",
        f"of a run\n{face_grids.LEGEND}",
    )
    assert cut_off(picture) <= 0
    assert room_below_caption(picture) >= 0


def test_a_network_without_mistakes_gets_grids_that_say_so(tmp_path: Path) -> None:
    root = write_run(tmp_path, ("happy", "sad"), perfect=True)
    draw_grids(root)
    assert set(contents(root)) == {"samples.png", "mistakes.png", "doubtful.png"}


def test_predictions_of_other_faces_are_refused(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    header, *lines = (root / "data/predictions.csv").read_text().splitlines()
    (root / "data/predictions.csv").write_text("\n".join([header, *lines[::-1]]))
    with pytest.raises(DataError, match=r"data/predictions\.csv lists other faces .*; run: dvc repro evaluate"):
        draw_grids(root)
    assert not (root / "plots/faces").exists()
