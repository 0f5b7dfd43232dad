from __future__ import annotations

import numpy as np
import pytest

from emotion import dataset
from emotion.votes import CHOICES, EXPRESSIONS, HEADER, NO_MAJORITY, distribution, majority


def votes_of(**counts: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Return the votes for one face, by choice; `_` stands for a space."""
    return np.array([[counts.get(choice.replace(" ", "_"), 0) for choice in CHOICES]], np.uint8)


def test_choices_are_the_columns_of_a_dataset_file_and_of_the_csv() -> None:
    assert len(CHOICES) == dataset.CHOICES == len(HEADER) - 2
    assert CHOICES[: len(EXPRESSIONS)] == EXPRESSIONS


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"happy": 6, "sad": 4}, "happy"),
        ({"happy": 5, "sad": 5}, None),
        ({"happy": 4, "sad": 1, "fear": 1, "angry": 1, "neutral": 3}, "happy"),
        ({"sad": 5, "fear": 1, "angry": 4}, "sad"),
        ({"contempt": 8, "neutral": 2}, "contempt"),
        ({"unknown": 7, "neutral": 3}, "unknown"),
        ({"no_face": 10}, "no face"),
        ({"happy": 1}, None),
        ({}, None),
    ],
)
def test_majority_is_more_than_half_of_the_votes_without_single_ones(
    counts: dict[str, int], expected: str | None
) -> None:
    choice = majority(votes_of(**counts))[0]
    assert (None if choice == NO_MAJORITY else CHOICES[choice]) == expected


def test_distribution_leaves_out_single_votes_and_what_is_no_class() -> None:
    votes = votes_of(happy=3, sad=1, neutral=2, contempt=2, unknown=2)
    np.testing.assert_allclose(distribution(votes, ("happy", "sad", "neutral")), [[0.6, 0, 0.4]])
    with_contempt = distribution(votes, ("neutral", "contempt", "happy"))
    np.testing.assert_allclose(with_contempt, [[2 / 7, 2 / 7, 3 / 7]], rtol=1e-6)
    assert with_contempt.dtype == np.float32


def test_face_without_a_vote_for_a_class_has_no_distribution() -> None:
    for votes in (votes_of(), votes_of(no_face=10), votes_of(happy=1, unknown=9), votes_of(fear=10)):
        np.testing.assert_array_equal(distribution(votes, ("happy", "sad")), [[0, 0]])


def test_two_hundred_votes_do_not_overflow() -> None:
    votes = votes_of(happy=200, sad=190)
    assert majority(votes)[0] == CHOICES.index("happy")
    np.testing.assert_allclose(distribution(votes, ("happy", "sad")).sum(axis=1), 1)
