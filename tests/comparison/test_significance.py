from __future__ import annotations

import doctest
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.comparison import significance
from emotion.comparison.revision import Revision, RevisionPredictions
from emotion.comparison.significance import Verdict, compare, compare_classes, find_flips, holm, mcnemar, pair_up

CLASSES = ("happy", "sad", "fear")


def predictions_of(
    right: list[bool], *, duplicates: int = 0, classes: tuple[str, ...] = CLASSES
) -> RevisionPredictions:
    """Make predictions for faces whose labels alternate; a wrong one is the next class; the first are duplicates."""
    indices = np.arange(len(right))
    labels = np.array(classes)[indices % len(classes)]
    wrong = np.array(classes)[(indices + 1) % len(classes)]
    is_right = np.array(right, bool)
    return RevisionPredictions(
        names=np.array([f"face{index:04}.jpg" for index in indices]),
        labels=labels,
        predicted=np.where(is_right, labels, wrong),
        confidence=np.where(is_right, 0.8, 0.1),
        duplicate=indices < duplicates,
    )


def revision(name: str, classes: tuple[str, ...] = CLASSES, **splits: RevisionPredictions) -> Revision:
    return Revision(
        name=name, commit="", classes=classes, splits=splits, metrics={}, params={}, outdated=(), is_stale=False
    )


def verdict_of(before: RevisionPredictions, after: RevisionPredictions) -> Verdict:
    return compare(revision("main", validation=before), revision("branch", validation=after)).verdict


def test_mcnemar_agrees_with_the_published_table() -> None:
    # Fagerland, Lydersen and Laake (2013), table 1: 21 children before and after stem cell transplantation.
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


@given(lost=st.integers(0, 60), gained=st.integers(0, 60))
def test_mcnemar_is_twice_the_smaller_tail_of_the_binomial_distribution(lost: int, gained: int) -> None:
    trials = lost + gained
    tail = sum(comb(trials, count) for count in range(min(lost, gained) + 1)) / 2**trials
    assert mcnemar(lost, gained) == pytest.approx(min(1, 2 * tail))


def test_mcnemar_without_lost_or_gained_faces_is_one() -> None:
    assert mcnemar(0, 0) == 1


def test_holm_of_four_p_values_matches_a_calculation_by_hand() -> None:
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_pairs_of_five_faces_match_a_calculation_by_hand() -> None:
    pairs = pair_up(predictions_of([True, True, False, False, True]), predictions_of([True, False, True, True, True]))
    assert (pairs.faces, pairs.lost, pairs.gained) == (5, 1, 2)
    assert (pairs.before, pairs.after) == (0.6, 0.8)
    assert pairs.difference == pytest.approx(0.2)
    assert pairs.p_value == 1
    assert pairs.interval.low <= 0.2 <= pairs.interval.high


@settings(deadline=None)
@given(faces=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_swapping_the_networks_negates_the_difference_and_keeps_the_p_value(faces: list[tuple[bool, bool]]) -> None:
    before, after = (predictions_of(list(side)) for side in zip(*faces, strict=True))
    there, back = pair_up(before, after), pair_up(after, before)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.lost, there.gained) == (back.gained, back.lost)


def test_a_few_faces_are_not_enough_for_a_verdict() -> None:
    half = [True, False] * 100
    assert verdict_of(predictions_of(half), predictions_of(half)) is Verdict.SAME
    assert verdict_of(predictions_of(half), predictions_of([True] * 4 + half[4:])) is Verdict.SAME
    assert verdict_of(predictions_of(half), predictions_of([True] * 40 + half[40:])) is Verdict.BETTER
    assert verdict_of(predictions_of([True] * 40 + half[40:]), predictions_of(half)) is Verdict.WORSE


def test_faces_with_a_copy_in_train_do_not_affect_the_verdict() -> None:
    half = [True, False] * 100
    better = [True] * 40 + half[40:]
    assert verdict_of(predictions_of(half, duplicates=40), predictions_of(better, duplicates=40)) is Verdict.SAME
    # The training faces of the two differ: a copy in either of them is enough to leave a face out.
    assert verdict_of(predictions_of(half), predictions_of(better, duplicates=40)) is Verdict.SAME
    assert verdict_of(predictions_of(half, duplicates=200), predictions_of(better, duplicates=200)) is Verdict.SAME


def test_equally_good_networks_are_seldom_called_different() -> None:
    generator = np.random.default_rng(4)
    trials = [
        verdict_of(*(predictions_of((generator.random(300) < 0.7).tolist()) for _ in range(2))) for _ in range(200)
    ]
    false_alarms = sum(verdict is not Verdict.SAME for verdict in trials)
    assert 1 <= false_alarms <= 14  # of 200 at 5%; the exact test is conservative


def test_only_the_class_that_changed_is_significant() -> None:
    before = [index % 2 == 0 for index in range(300)]
    after = [right or (index % 3 == 1 and index < 120) for index, right in enumerate(before)]
    changes = compare_classes(predictions_of(before), predictions_of(after), CLASSES)
    assert [change.name for change in changes if change.is_significant] == ["sad"]
    assert [change.pairs.gained for change in changes] == [0, 20, 0]
    assert all(change.p_value >= change.pairs.p_value for change in changes)


def test_flips_are_changed_predictions_ordered_by_the_change_of_the_label() -> None:
    before, after = predictions_of([True] * 20), predictions_of([False] * 14 + [True] * 6)
    after.confidence[:] = [0.1, 0.3, 0.2, *[0.4] * 11, *[0.0] * 6]
    flips = find_flips(before, after)
    assert [flip.name for flip in flips] == [f"face{index:04}.jpg" for index in (0, 2, 1, *range(3, 10))]
    assert (flips[0].label, flips[0].before, flips[0].after) == ("happy", "happy", "sad")
    assert (flips[0].confidence_before, flips[0].confidence_after) == (0.8, 0.1)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (predictions_of([True] * 29), "1 of 30 faces only in main, 0 of 29 only in branch, 0 with another label"),
        (predictions_of([True] * 31), "0 of 30 faces only in main, 1 of 31 only in branch, 0 with another label"),
        (
            predictions_of([True] * 30, classes=("happy", "fear", "sad")),
            "0 of 30 only in branch, 20 with another label",
        ),
    ],
)
def test_other_faces_or_labels_cannot_be_compared(after: RevisionPredictions, text: str) -> None:
    found = compare(revision("main", validation=predictions_of([False] * 30)), revision("branch", validation=after))
    assert found.verdict is Verdict.INCOMPARABLE
    assert text in found.differences["validation"]
    assert (found.unseen, found.classes, found.flips) == ({}, (), ())


def test_other_classes_cannot_be_compared_but_their_order_does_not_matter() -> None:
    faces = predictions_of([True] * 30)
    main = revision("main", validation=faces)
    assert compare(main, revision("branch", ("fear", "sad", "happy"), validation=faces)).verdict is Verdict.SAME
    found = compare(main, revision("branch", ("happy", "sad"), validation=faces))
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.differences == {"classes": "happy, sad, fear in main, happy, sad in branch"}


def test_the_test_split_does_not_affect_the_verdict() -> None:
    half = predictions_of([True, False] * 100)
    main = revision("main", validation=half, test=half)
    found = compare(main, revision("branch", validation=half, test=predictions_of([True] * 10)))
    assert found.verdict is Verdict.SAME
    assert set(found.differences) == {"test"}
    assert set(found.all_faces) == {"validation"}
    worse_on_test = compare(main, revision("branch", validation=half, test=predictions_of([False] * 200)))
    assert worse_on_test.verdict is Verdict.SAME


def test_revisions_without_the_deciding_split_cannot_be_compared() -> None:
    half = predictions_of([True, False] * 10)
    found = compare(revision("main", test=half), revision("branch", test=half))
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.differences == {significance.DECIDING_SPLIT: "no faces in main and branch"}


def test_examples_in_the_docstrings_are_right() -> None:
    results = doctest.testmod(significance)
    assert results.attempted > 0
    assert results.failed == 0
