from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from small_figures import contents, cut_off, room_below_caption, settings, texts_of
from small_runs import faces_of, write_run

from emotion import dataset
from emotion.errors import DataError
from emotion.files import read_csv, write_csv
from emotion.labels import NAMES, REPORTED_SPLITS
from emotion.report import face_grids


def draw_grids(root: Path) -> None:
    faces = {split: dataset.load(root / f"data/faces/{split}.npz") for split in REPORTED_SPLITS}
    face_grids.draw_grids(root, faces, settings())


def test_samples_are_random_distinct_and_the_same_each_time() -> None:
    rows = [{"actual": "sad", "predicted": "sad"}] * 50
    chosen = face_grids.choose_samples(rows, 20)
    assert len(set(chosen)) == 20
    assert chosen == face_grids.choose_samples(rows, 20) != list(range(20))
    assert face_grids.choose_samples(rows[:3], 20) == [0, 1, 2]


def test_mistakes_come_by_falling_probability_and_right_answers_never() -> None:
    predictions = [("sad", "happy", "0.6"), ("happy", "happy", "0.9"), ("sad", "happy", "0.8"), ("sad", "happy", "0.6")]
    rows = [{"actual": actual, "predicted": predicted, predicted: p} for actual, predicted, p in predictions]
    assert face_grids.choose_mistakes(rows, 9) == [2, 0, 3]
    assert face_grids.choose_mistakes(rows, 1) == [2]


def test_grid_names_the_label_of_a_mistake_and_ticks_what_is_right() -> None:
    rows = [
        {"actual": "sad", "predicted": "happy", "happy": "0.61", "sad": "0.25"},
        {"actual": "sad", "predicted": "sad", "happy": "0.09", "sad": "0.91"},
    ]
    pixels = np.zeros((2, 48, 48), np.uint8)
    assert {"✗ happy 61%", "label: sad 25%", "✓ sad 91%"} <= set(
        texts_of(face_grids.face_grid(pixels, rows, [0, 1], "Predictions", "of a run"))
    )


def test_grid_shows_the_faces_that_belong_to_the_answers() -> None:
    rows = [{"actual": "sad", "predicted": "sad", "sad": "1"}] * 5
    pixels = np.arange(5, dtype=np.uint8)[:, None, None] * np.ones((48, 48), np.uint8)
    axes = face_grids.face_grid(pixels, rows, [4, 1], "Predictions", "of a run").axes
    shown = [int(np.asarray(part.images[0].get_array())[0, 0]) for part in axes]
    assert shown == [4, 1]


def test_doubtful_labels_take_turns_by_class_from_the_most_doubtful_on() -> None:
    rows = [{"split": split, "name": name} for split in ("validation", "test") for name in "abc"]
    ranked = [("sad", "test", "b"), ("sad", "validation", "a"), ("fear", "test", "a"), ("sad", "test", "c")]
    doubtful = [{"label": label, "split": split, "name": name} for label, split, name in ranked]
    assert face_grids.choose_doubtful(rows, doubtful, 9) == [3, 4, 0, 5]
    assert face_grids.choose_doubtful(rows, doubtful, 2) == [3, 4]


def test_grids_are_drawn_the_same_each_time_whatever_style_a_person_has_set(tmp_path: Path) -> None:
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
    rows = [
        {"actual": NAMES[label], "predicted": "surprise", **dict.fromkeys(NAMES, "1")}
        for label in faces.labels.tolist()
    ]
    picture = face_grids.face_grid(faces.pixels, rows, range(number), "Predictions", f"of a run\n{face_grids.LEGEND}")
    assert cut_off(picture) <= 0
    assert room_below_caption(picture) >= 0


def test_a_network_without_mistakes_gets_grids_that_say_so(tmp_path: Path) -> None:
    root = write_run(tmp_path, ("happy", "sad"), perfect=True)
    draw_grids(root)
    assert set(contents(root)) == {"samples.png", "mistakes.png", "doubtful.png"}


def test_predictions_of_other_faces_are_refused(tmp_path: Path) -> None:
    root = write_run(tmp_path)
    rows = read_csv(root / "data/predictions.csv")
    write_csv(root / "data/predictions.csv", list(rows[0]), [list(row.values()) for row in rows[::-1]])
    with pytest.raises(DataError, match="validation and test faces in order"):
        draw_grids(root)
    assert not (root / "plots/faces").exists()
