from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion.comparison import significance
from emotion.comparison.revision import Revision, RevisionPredictions
from emotion.comparison.significance import Verdict, compare, find_flips, holm, mcnemar, move_classes, pair_up

CLASSES = ("happy", "sad", "fear")


def judged(right: list[bool], *, twins: int = 0, classes: tuple[str, ...] = CLASSES) -> RevisionPredictions:
    """Faces whose labels take turns; a wrong answer is the next class; the first ones are twins."""
    places = np.arange(len(right))
    labels = np.array(classes)[places % len(classes)]
    wrong = np.array(classes)[(places + 1) % len(classes)]
    chosen = np.array(right, bool)
    return RevisionPredictions(
        names=np.array([f"face{place:04}.jpg" for place in places]),
        labels=labels,
        predicted=np.where(chosen, labels, wrong),
        confidence=np.where(chosen, 0.8, 0.1),
        twin=places < twins,
    )


def revision(name: str, classes: tuple[str, ...] = CLASSES, **splits: RevisionPredictions) -> Revision:
    return Revision(name=name, commit="", classes=classes, splits=splits, metrics={}, params={}, outdated=())


def verdict_of(before: RevisionPredictions, after: RevisionPredictions) -> Verdict:
    return compare(revision("main", validation=before), revision("branch", validation=after)).verdict


def test_mcnemar_agrees_with_the_published_table() -> None:
    # Fagerland, Lydersen and Laake (2013), table 1: 21 children before and after stem cell transplantation.
    assert mcnemar(1, 7) == pytest.approx(0.0703, abs=5e-5)


@given(lost=st.integers(0, 60), gained=st.integers(0, 60))
def test_mcnemar_is_twice_the_smaller_tail_of_tossed_coins(lost: int, gained: int) -> None:
    tosses = lost + gained
    tail = sum(comb(tosses, heads) for heads in range(min(lost, gained) + 1)) / 2**tosses
    assert mcnemar(lost, gained) == pytest.approx(min(1, 2 * tail))


def test_mcnemar_without_any_face_that_tells_the_networks_apart_is_one() -> None:
    assert mcnemar(0, 0) == 1


def test_holm_of_four_p_values_worked_out_by_hand() -> None:
    # In order: 0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not fall below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([]) == []


def test_pairs_of_a_case_worked_out_by_hand() -> None:
    pairs = pair_up(judged([True, True, False, False, True]), judged([True, False, True, True, True]))
    assert (pairs.faces, pairs.lost, pairs.gained) == (5, 1, 2)
    assert (pairs.before, pairs.after) == (0.6, 0.8)
    assert pairs.difference == pytest.approx(0.2)
    assert pairs.p_value == 1
    assert pairs.interval.low <= 0.2 <= pairs.interval.high


@settings(deadline=None)
@given(predictions=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=80))
def test_swapping_the_sides_turns_the_difference_and_keeps_the_p_value(predictions: list[tuple[bool, bool]]) -> None:
    before, after = (judged(list(side)) for side in zip(*predictions, strict=True))
    there, back = pair_up(before, after), pair_up(after, before)
    assert there.difference == pytest.approx(-back.difference)
    assert there.p_value == pytest.approx(back.p_value)
    assert (there.lost, there.gained) == (back.gained, back.lost)


def test_verdict_needs_more_than_a_few_faces() -> None:
    half = [True, False] * 100
    assert verdict_of(judged(half), judged(half)) is Verdict.SAME
    assert verdict_of(judged(half), judged([True] * 4 + half[4:])) is Verdict.SAME
    assert verdict_of(judged(half), judged([True] * 40 + half[40:])) is Verdict.BETTER
    assert verdict_of(judged([True] * 40 + half[40:]), judged(half)) is Verdict.WORSE


def test_faces_with_a_copy_in_train_decide_nothing() -> None:
    half = [True, False] * 100
    better = [True] * 40 + half[40:]
    assert verdict_of(judged(half, twins=40), judged(better, twins=40)) is Verdict.SAME
    # The training faces of the two differ: a copy in either of them is one too many.
    assert verdict_of(judged(half), judged(better, twins=40)) is Verdict.SAME
    assert verdict_of(judged(half, twins=200), judged(better, twins=200)) is Verdict.SAME


def test_equally_good_networks_are_seldom_called_different() -> None:
    generator = np.random.default_rng(4)
    trials = [verdict_of(*(judged((generator.random(300) < 0.7).tolist()) for _ in range(2))) for _ in range(200)]
    alarms = sum(verdict is not Verdict.SAME for verdict in trials)
    assert 1 <= alarms <= 14  # of 200 at the level of 5%, which the exact test stays below


def test_only_the_class_that_moved_is_named() -> None:
    before = [place % 2 == 0 for place in range(300)]
    after = [right or (place % 3 == 1 and place < 120) for place, right in enumerate(before)]
    moves = move_classes(judged(before), judged(after), CLASSES)
    assert [move.name for move in moves if move.is_real] == ["sad"]
    assert [move.pairs.gained for move in moves] == [0, 20, 0]
    assert all(move.p_value >= move.pairs.p_value for move in moves)


def test_flips_are_new_decisions_by_how_far_the_label_moved() -> None:
    before, after = judged([True] * 20), judged([False] * 14 + [True] * 6)
    after.confidence[:] = [0.1, 0.3, 0.2, *[0.4] * 11, *[0.0] * 6]
    flips = find_flips(before, after)
    assert [flip.name for flip in flips] == [f"face{place:04}.jpg" for place in (0, 2, 1, *range(3, 10))]
    assert (flips[0].label, flips[0].before, flips[0].after) == ("happy", "happy", "sad")
    assert (flips[0].confidence_before, flips[0].confidence_after) == (0.8, 0.1)


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (judged([True] * 29), "1 of 30 faces only in main, 0 of 29 only in branch, 0 with another label"),
        (judged([True] * 31), "0 of 30 faces only in main, 1 of 31 only in branch, 0 with another label"),
        (judged([True] * 30, classes=("happy", "fear", "sad")), "0 of 30 only in branch, 20 with another label"),
    ],
)
def test_other_faces_or_labels_cannot_be_compared(after: RevisionPredictions, text: str) -> None:
    found = compare(revision("main", validation=judged([False] * 30)), revision("branch", validation=after))
    assert found.verdict is Verdict.INCOMPARABLE
    assert text in found.differences["validation"]
    assert (found.unseen, found.classes, found.flips) == ({}, (), ())


def test_other_classes_cannot_be_compared_and_their_order_is_no_matter() -> None:
    faces = judged([True] * 30)
    main = revision("main", validation=faces)
    assert compare(main, revision("branch", ("fear", "sad", "happy"), validation=faces)).verdict is Verdict.SAME
    found = compare(main, revision("branch", ("happy", "sad"), validation=faces))
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.differences == {"classes": "happy, sad, fear in main, happy, sad in branch"}


def test_a_split_that_only_reports_leaves_the_verdict_alone() -> None:
    half = judged([True, False] * 100)
    main = revision("main", validation=half, test=half)
    found = compare(main, revision("branch", validation=half, test=judged([True] * 10)))
    assert found.verdict is Verdict.SAME
    assert set(found.differences) == {"test"}
    assert set(found.every) == {"validation"}
    worse_on_test = compare(main, revision("branch", validation=half, test=judged([False] * 200)))
    assert worse_on_test.verdict is Verdict.SAME


def test_a_revision_without_the_split_that_decides_cannot_be_compared() -> None:
    half = judged([True, False] * 10)
    found = compare(revision("main", test=half), revision("branch", test=half))
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.differences == {significance.JUDGE: "no faces in main and branch"}
