from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_runs import faces_of

from emotion import dataset
from emotion.errors import DataError
from emotion.evaluation import sampling
from emotion.evaluation.sampling import limit_classes, stratify

LABELS = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [500, 60, 240]))


def test_a_stratified_sample_keeps_the_share_of_each_class() -> None:
    chosen = stratify(LABELS, 80)
    assert np.bincount(LABELS[chosen]).tolist() == [50, 6, 24]


@pytest.mark.parametrize("number", [1, 7, 99, 333])
def test_a_stratified_sample_is_within_one_face_of_each_share(number: int) -> None:
    chosen = stratify(LABELS, number)
    assert len(set(chosen.tolist())) == number
    counts = np.bincount(LABELS[chosen], minlength=3)
    assert np.abs(counts - number * np.bincount(LABELS) / len(LABELS)).max() < 1


def test_all_faces_are_chosen_where_there_are_fewer() -> None:
    np.testing.assert_array_equal(stratify(LABELS, 10_000), np.arange(800))
    np.testing.assert_array_equal(stratify(LABELS, 800), np.arange(800))
    assert len(stratify(LABELS[:0], 5)) == 0


def test_samples_are_reproducible_random_and_in_order() -> None:
    first = stratify(LABELS, 80)
    np.testing.assert_array_equal(first, stratify(LABELS, 80))
    assert (np.diff(first) > 0).all()
    by_number = np.flatnonzero(LABELS == 1)[:6]
    assert not np.array_equal(first[LABELS[first] == 1], by_number)


def test_a_class_gives_no_more_than_the_limit() -> None:
    chosen = limit_classes(LABELS, 100)
    assert np.bincount(LABELS[chosen]).tolist() == [100, 60, 100]
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, limit_classes(LABELS, 100))
    assert len(limit_classes(LABELS[:0], 5)) == 0


def test_faces_of_the_networks_classes_are_loaded(tmp_path: Path) -> None:
    dataset.save(faces_of(("happy", "sad"), 5, seed=0), tmp_path / "validation.npz")
    assert len(sampling.load(tmp_path / "validation.npz", ("happy", "sad"))) == 5


def test_a_file_with_other_classes_or_without_faces_is_refused(tmp_path: Path) -> None:
    dataset.save(faces_of(("happy", "sad"), 5, seed=0), tmp_path / "other.npz")
    with pytest.raises(DataError, match=r"other.npz: expected the classes sad, happy, received happy, sad; run: dvc"):
        sampling.load(tmp_path / "other.npz", ("sad", "happy"))
    none = replace(faces_of(("happy", "sad"), 0, seed=0), names=np.array([], str))
    dataset.save(none, tmp_path / "empty.npz")
    with pytest.raises(DataError, match=r"empty.npz has no faces; run: dvc"):
        sampling.load(tmp_path / "empty.npz", ("happy", "sad"))
