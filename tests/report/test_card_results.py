from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_runs import write_run

from emotion.labels import FIGURES, VOTE_FIGURES
from emotion.report import card_results
from emotion.report.card_results import MeasuredResults

SPLITS = ("validation", "test")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> MeasuredResults:
    return card_results.read_results(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> MeasuredResults:
    return card_results.read_results(write_run(tmp_path_factory.mktemp("voted"), voted=True))


def test_table_has_the_figures_of_both_splits_with_their_intervals(results: MeasuredResults) -> None:
    cells = []
    for split in SPLITS:
        rows = results.intervals[results.intervals["split"] == split].set_index("metric")
        value, low, high = rows.loc["macro_f1", ["value", "low", "high"]]
        assert value == results.headlines[split]["macro_f1"]
        cells.append(f"{value:.2%} ({low:.2%} to {high:.2%})")
    text = card_results.tabulate_figures(results, FIGURES)
    assert f"| macro F1 | {cells[0]} | {cells[1]} |" in text
    weighted = [f"{results.headlines[split]['weighted_f1']:.2%}" for split in SPLITS]
    assert f"| weighted F1 | {weighted[0]} | {weighted[1]} |" in text
    losses = [f"{results.headlines[split]['log_loss']:.4f}" for split in SPLITS]
    assert f"| log loss (nats) | {losses[0]} | {losses[1]} |" in text


def test_every_headline_figure_has_a_title(results: MeasuredResults, voted: MeasuredResults) -> None:
    assert set(results.headlines["test"]) == {*FIGURES, "log_loss"}
    assert set(voted.headlines["test"]) == {*FIGURES, *VOTE_FIGURES, "log_loss"}


def test_votes_are_told_from_labels_where_somebody_voted(results: MeasuredResults, voted: MeasuredResults) -> None:
    figures = card_results.tabulate_figures(voted, FIGURES | VOTE_FIGURES)
    test = voted.votes["test"]
    assert f"| accuracy on the raters' majority | {voted.headlines['validation']['accuracy_votes']:.2%} (" in figures
    assert f"{test['majorities']} of 60 faces have a majority; it is the label of {test['labels_agree']:.2%}" in figures
    assert f"{test['log_loss']:.4f} on test (nats)" in figures
    assert f"of the {test['majorities']} test faces on which they agree" in card_results.summarize(voted)
    assert "raters" not in card_results.tabulate_figures(results, FIGURES) + card_results.summarize(results)


def test_split_in_which_nobody_voted_has_figures_that_are_not_available(voted: MeasuredResults) -> None:
    nobody = dict.fromkeys(voted.votes["test"], None) | {"faces": 60, "majorities": 0}
    headlines = {**voted.headlines, "test": {**voted.headlines["test"], **dict.fromkeys(VOTE_FIGURES)}}
    intervals = voted.intervals[~voted.intervals["metric"].isin(list(VOTE_FIGURES))]
    none = replace(voted, votes={**voted.votes, "test": nobody}, headlines=headlines, intervals=intervals)
    assert "and n/a on test (nats)" in card_results.tabulate_figures(none, FIGURES | VOTE_FIGURES)
    assert "saw for n/a of the 0 test faces" in card_results.summarize(none)


def test_figure_that_cannot_be_computed_is_not_available(results: MeasuredResults) -> None:
    headlines = {split: {**figures, "accuracy_unseen": None} for split, figures in results.headlines.items()}
    intervals = results.intervals.copy()
    intervals.loc[intervals["metric"] == "accuracy_unseen", ["value", "low", "high"]] = np.nan
    without = replace(results, headlines=headlines, intervals=intervals)
    assert "in train | n/a | n/a |" in card_results.tabulate_figures(without, FIGURES)
    assert "and of n/a of those" in card_results.summarize(without)


def test_summary_names_the_best_and_the_worst_class_with_faces(results: MeasuredResults) -> None:
    rows = [("happy", 0.9, 5), ("sad", 0.4, 5), ("fear", 0.0, 0)]
    classes = pd.DataFrame(rows, columns=["class", "recall", "support"])
    summary = card_results.summarize(replace(results, classes=classes))
    assert "is right on 40% of the test faces labelled sad (90% for happy)" in summary


def test_summary_names_the_best_and_the_worst_majority_where_somebody_voted(voted: MeasuredResults) -> None:
    counts = [("happy", 9, 1, 0), ("sad", 2, 3, 0), ("fear", 0, 0, 0), ("contempt", 7, 0, 0)]
    majorities = pd.DataFrame(counts, columns=["majority", "happy", "sad", "fear"])
    summary = card_results.summarize(replace(voted, majorities=majorities))
    assert ", and on 60% of the test faces that most raters call sad (90% for happy)." in summary
    majorities.loc[:2, ["happy", "sad", "fear"]] = 0
    assert "that most raters call" not in card_results.summarize(replace(voted, majorities=majorities))


def test_gain_of_the_mirror_image_has_points_interval_and_cost(results: MeasuredResults) -> None:
    flipped = pd.DataFrame([{"split": "test", "gain": 0.00474, "low": -0.0031, "high": 0.0125}])
    text = card_results.tabulate_figures(replace(results, flipped=flipped), FIGURES)
    assert "twice the time" in text
    assert "+0.47 points on test (95% interval -0.31 to +1.25)" in text


def test_confidence_table_has_every_rule_and_no_second_interval_of_all_faces(results: MeasuredResults) -> None:
    rows = [line for line in card_results.tabulate_confidence(results).splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in rows[2:8]] == [
        "| all",
        *(f"| the most confident {share}%" for share in (90, 80, 70, 50)),
        "| all but the uncertain",
    ]
    assert " to " not in rows[2]
    assert all(" to " in line for line in rows[3:7])


def test_confidence_is_compared_with_labels_and_with_raters_where_somebody_voted(
    results: MeasuredResults, voted: MeasuredResults
) -> None:
    text = card_results.tabulate_confidence(voted)
    assert f"and {voted.votes['test']['calibration_error']:.2%} on test (expected calibration error)" in text
    row = voted.calibration[voted.calibration["split"] == "test"].iloc[-1]
    cells = f"| {row['log_loss']:.4f} | {row['calibration_error_votes']:.2%} | {row['log_loss_votes']:.4f} |"
    assert f"| test | calibrated | {row['calibration_error']:.2%} | {row['brier_score']:.4f} {cells}" in text
    assert "raters" not in card_results.tabulate_confidence(results)


def test_network_that_is_always_uncertain_has_no_accuracy_to_show(results: MeasuredResults) -> None:
    selective = results.selective.copy()
    selective.loc[selective["rule"] == "uncertain", ["coverage", "accuracy", "low", "high"]] = [0, *[np.nan] * 3]
    summary = card_results.summarize(replace(results, selective=selective))
    assert "100% of the test faces uncertain; of its other predictions, n/a agree with the label" in summary


def test_every_corruption_has_its_row(results: MeasuredResults) -> None:
    text = card_results.tabulate_robustness(results)
    for row in results.robustness.to_dict("records"):
        assert f"| {row['meaning']} | {row['accuracy']:.2%} (" in text
    eyes = results.regions.set_index("class")["brows_and_eyes"]["all"]
    assert f"brows and eyes {eyes:.0%} (30%)" in text


def test_regions_are_left_out_where_no_face_was_classified_correctly(results: MeasuredResults) -> None:
    regions = results.regions.copy()
    regions.loc[regions["class"] == "all", regions.columns[2:]] = np.nan
    assert "Where it looks" not in card_results.tabulate_robustness(replace(results, regions=regions))


def test_check_of_doubtful_labels_is_described_where_there_is_one(results: MeasuredResults) -> None:
    count = {"faces": 0, "doubtful": 0, "mean_rank": None}
    issues = {"faces": 200, "doubtful": 25, "contradictory": count, "contradictory_untaught": count}
    text = card_results.describe_label_issues(replace(results, label_issues=issues))
    assert "considers 25 of the 200 labels of validation and test wrong (12.5%)" in text
    assert "check" not in text
    known = {"faces": 8, "doubtful": 4, "mean_rank": 0.281}
    checked = replace(results, label_issues={**issues, "contradictory": known})
    text = card_results.describe_label_issues(checked)
    assert "A check of the list: 8 faces have an exact copy with another label" in text
    assert "4 of these faces are on the list" in text
    assert "mean rank is 28%" in text


def test_equal_files_give_equal_text(results: MeasuredResults, tmp_path: Path) -> None:
    again = card_results.read_results(write_run(tmp_path))
    assert card_results.tabulate_figures(again, FIGURES) == card_results.tabulate_figures(results, FIGURES)
    assert card_results.tabulate_confidence(again) == card_results.tabulate_confidence(results)
