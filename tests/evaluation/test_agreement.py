from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emotion.data import archives, raters
from emotion.data.layouts import read_records
from emotion.data.records import Record
from emotion.evaluation import agreement
from emotion.evaluation.metrics import Predictions
from emotion.labels import NAMES
from emotion.votes import CHOICES

CLASSES = ("angry", "happy", "neutral")


def votes_of(*faces: dict[str, int]) -> NDArray[np.uint8]:
    return np.array([[face.get(choice, 0) for choice in CHOICES] for face in faces], np.uint8)


def predictions_of(actual: str, predicted: str, classes: tuple[str, ...] = CLASSES) -> Predictions:
    """Make predictions from the first letters of labels and of predicted classes, each with probability 0.8."""
    letters = [name[0] for name in classes]
    places = [letters.index(letter) for letter in predicted]
    rest = 0.2 / (len(classes) - 1)
    probabilities = np.where(np.eye(len(classes))[places] > 0, 0.8, rest).astype(np.float32)
    return Predictions(
        classes,
        np.array([letters.index(letter) for letter in actual]),
        probabilities,
        np.zeros(len(actual), bool),
        np.array([str(index) for index in range(len(actual))]),
    )


# Majorities: angry, happy, happy, neutral, contempt; then none, unknown, no face and no votes at all.
VOTES = votes_of(
    {"angry": 9, "sad": 1},
    {"happy": 6, "neutral": 4},
    {"happy": 10},
    {"neutral": 7, "sad": 3},
    {"contempt": 8, "neutral": 2},
    {"angry": 5, "happy": 5},
    {"unknown": 6, "angry": 4},
    {"no face": 10},
    {},
)
PREDICTIONS = predictions_of("ahaannaan", "ahhananah")


def test_accuracy_counts_contempt_as_wrong_and_balanced_accuracy_leaves_it_out() -> None:
    figures = agreement.headline(PREDICTIONS, VOTES)
    # Right on angry, happy, happy; wrong on neutral, which is called angry, and on contempt.
    assert figures == {"accuracy_votes": 0.6, "balanced_accuracy_votes": pytest.approx(2 / 3, abs=1e-6)}


def test_network_with_contempt_can_be_right_on_it() -> None:
    classes = (*CLASSES, "contempt")
    predictions = predictions_of("ahaannaan", "ahhacanah", classes)
    assert agreement.headline(predictions, VOTES) == {"accuracy_votes": 0.8, "balanced_accuracy_votes": 0.75}


@pytest.mark.parametrize("votes", [np.zeros_like(VOTES), votes_of(*[{"angry": 5, "happy": 5}] * 9)])
def test_split_without_a_majority_has_figures_that_are_not_available(votes: NDArray[np.uint8]) -> None:
    assert agreement.headline(PREDICTIONS, votes) == {"accuracy_votes": None, "balanced_accuracy_votes": None}
    assert agreement.tabulate_intervals(PREDICTIONS, votes).empty
    assert agreement.describe(PREDICTIONS, votes, 15)["labels_agree"] is None


def test_confusion_has_the_network_s_classes_first_and_what_it_cannot_see_below() -> None:
    table = agreement.tabulate_confusion(PREDICTIONS, VOTES)
    assert table.columns.tolist() == ["majority", *CLASSES]
    assert table["majority"].tolist()[:4] == [*CLASSES, "surprise"]
    assert table["majority"].tolist()[-1] == "contempt"
    counts = dict(zip(table["majority"], table[list(CLASSES)].to_numpy().tolist(), strict=True))
    assert counts["neutral"] == [1, 0, 0]
    assert counts["contempt"] == [0, 0, 1]
    assert np.sum(list(counts.values())) == 5


def test_description_compares_labels_majorities_and_votes() -> None:
    found = agreement.describe(PREDICTIONS, VOTES, 15)
    assert (found["faces"], found["voted"], found["majorities"]) == (9, 8, 5)
    # Labels a, h, a, a, n against angry, happy, happy, neutral, contempt.
    assert found["labels_agree"] == 0.4
    assert found["accuracy_agreed"] == 1
    assert found["accuracy_disputed"] == pytest.approx(1 / 3, abs=1e-6)
    assert found["distributions"] == 7


def test_log_loss_is_the_cross_entropy_of_the_votes_for_the_network_s_classes() -> None:
    votes = votes_of({"happy": 6, "neutral": 2, "sad": 2}, {"no face": 10})
    found = agreement.describe(predictions_of("hh", "hh"), votes, 15)
    assert found["log_loss"] == pytest.approx(-0.75 * np.log(0.8) - 0.25 * np.log(0.1), abs=1e-6)


def test_calibration_error_compares_the_confidence_with_the_share_of_the_raters() -> None:
    votes = votes_of({"happy": 6, "neutral": 4}, {"happy": 9, "neutral": 1}, {"angry": 5, "contempt": 5}, {})
    predictions = predictions_of("nnnn", "hhhh")
    confidence, shares = agreement.share_of_raters(predictions, votes)
    np.testing.assert_allclose(confidence, 0.8)
    np.testing.assert_allclose(shares, [0.6, 1, 0])
    found = agreement.compare_with_votes(predictions, votes, 15)
    assert found["calibration_error"] == pytest.approx(0.8 - 1.6 / 3, abs=1e-6)


def test_votes_for_no_class_of_the_network_can_be_compared_with_nothing() -> None:
    votes = votes_of({"contempt": 10}, {"no face": 10}, {})
    found = agreement.compare_with_votes(predictions_of("aaa", "hhh"), votes, 15)
    assert found == {"log_loss": None, "calibration_error": None}


@pytest.mark.fer2013
@pytest.mark.skipif(
    not {"FER2013_ARCHIVE", "FERPLUS_VOTES"} <= os.environ.keys(),
    reason="FER2013_ARCHIVE and FERPLUS_VOTES are not both set",
)
def test_labels_of_privatetest_agree_with_two_majorities_in_three() -> None:
    archive, csv = Path(os.environ["FER2013_ARCHIVE"]), Path(os.environ["FERPLUS_VOTES"])
    test = (member for member in archives.members(archive) if "/PrivateTest_" in member[0])
    records = [each for each in raters.join(read_records(test), raters.read(csv)) if isinstance(each, Record)]
    voted = np.stack([np.zeros(10, np.uint8) if record.votes is None else record.votes for record in records])
    labels = np.array([NAMES.index(record.emotion) for record in records])
    certain = np.eye(len(NAMES), dtype=np.float32)[labels]
    names = np.array([record.name for record in records])
    predictions = Predictions(NAMES, labels, certain, np.zeros(len(labels), bool), names)
    found = agreement.describe(predictions, voted, 15)
    assert (len(records), found["majorities"], found["labels_agree"]) == (3589, 3152, 0.670685)
    assert agreement.headline(predictions, voted)["accuracy_votes"] == 0.670685


def test_intervals_surround_the_headline() -> None:
    generator = np.random.default_rng(0)
    votes = np.zeros((200, 10), np.uint8)
    votes[np.arange(200), generator.integers(0, 8, 200)] = 10
    letters = "".join(generator.choice(list("ahn"), 200))
    predictions = predictions_of(letters, letters)
    figures = agreement.headline(predictions, votes)
    for row in agreement.tabulate_intervals(predictions, votes).to_dict("records"):
        assert row["value"] == pytest.approx(figures[row["metric"]], abs=1e-6)
        assert row["low"] < row["value"] < row["high"]
