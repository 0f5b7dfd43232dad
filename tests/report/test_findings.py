from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from small_runs import write_run

from emotion.labels import FIGURES
from emotion.report import findings
from emotion.report.findings import Findings

SPLITS = ("validation", "test")


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    return findings.read_findings(write_run(tmp_path_factory.mktemp("run")))


def test_figures_of_both_splits_stand_in_the_table_with_their_intervals(some: Findings) -> None:
    cells = []
    for split in SPLITS:
        row = next(row for row in some.intervals if (row["split"], row["metric"]) == (split, "macro_f1"))
        value, low, high = (float(row[name]) for name in ("value", "low", "high"))
        assert value == some.headlines[split]["macro_f1"]
        cells.append(f"{value:.2%} ({low:.2%} to {high:.2%})")
    text = findings.figures(some, FIGURES)
    assert f"| macro F1 | {cells[0]} | {cells[1]} |" in text
    weighted = [f"{some.headlines[split]['weighted_f1']:.2%}" for split in SPLITS]
    assert f"| weighted F1 | {weighted[0]} | {weighted[1]} |" in text
    losses = [f"{some.headlines[split]['log_loss']:.4f}" for split in SPLITS]
    assert f"| log loss (nats) | {losses[0]} | {losses[1]} |" in text


def test_every_headline_figure_has_a_title(some: Findings) -> None:
    assert set(some.headlines["test"]) == {*FIGURES, "log_loss"}


def test_figure_that_could_not_be_computed_is_named_so(some: Findings) -> None:
    headlines = {split: {**figures, "accuracy_unseen": None} for split, figures in some.headlines.items()}
    intervals = [
        {**row, "value": "", "low": "", "high": ""} if row["metric"] == "accuracy_unseen" else row
        for row in some.intervals
    ]
    without = replace(some, headlines=headlines, intervals=intervals)
    assert "in train | n/a | n/a |" in findings.figures(without, FIGURES)
    assert "and of n/a of those" in findings.summarize(without)


def test_summary_names_the_best_and_the_worst_class_with_faces(some: Findings) -> None:
    classes = [
        {"class": name, "recall": recall, "support": support}
        for name, recall, support in (("happy", "0.9", "5"), ("sad", "0.4", "5"), ("fear", "0", "0"))
    ]
    summary = findings.summarize(replace(some, classes=classes))
    assert "finds 40% of the test faces labelled sad (90% of happy)" in summary


def test_mirror_image_is_told_in_points_with_its_interval_and_its_cost(some: Findings) -> None:
    flipped = [{"split": "test", "gain": "0.00474", "low": "-0.0031", "high": "0.0125"}]
    text = findings.figures(replace(some, flipped=flipped), FIGURES)
    assert "twice the time" in text
    assert "+0.47 points on test (95% interval -0.31 to +1.25)" in text


def test_selective_table_has_every_rule_and_no_second_interval_of_all_faces(some: Findings) -> None:
    rows = [line for line in findings.confidence(some).splitlines() if line.startswith("| ")]
    assert [line.split(" | ")[0] for line in rows[2:8]] == [
        "| every answer",
        *(f"| the surest {share}%" for share in (90, 80, 70, 50)),
        "| those not called uncertain",
    ]
    assert " to " not in rows[2]
    assert all(" to " in line for line in rows[3:7])


def test_network_that_is_never_sure_has_no_accuracy_to_show(some: Findings) -> None:
    empty = {"coverage": "0.0", "accuracy": "", "low": "", "high": ""}
    selective = [{**row, **empty} if row["rule"] == "uncertain" else row for row in some.selective]
    assert "100% of the test faces uncertain; of its other answers n/a" in findings.summarize(
        replace(some, selective=selective)
    )


def test_every_trial_on_bad_pictures_has_its_row(some: Findings) -> None:
    text = findings.robustness(some)
    assert all(f"| {row['meaning']} | {float(row['accuracy']):.2%} (" in text for row in some.robustness)
    assert "at brows and eyes (30%)" in text


def test_where_it_looks_is_left_out_where_nothing_was_right(some: Findings) -> None:
    regions = [
        {name: "" if name not in {"class", "faces"} and row["class"] == "all" else cell for name, cell in row.items()}
        for row in some.regions
    ]
    assert "Where it looks" not in findings.robustness(replace(some, regions=regions))


def test_check_of_doubtful_labels_is_told_where_there_is_one(some: Findings) -> None:
    count = {"faces": 0, "doubtful": 0, "mean_rank": None}
    doubts = {"faces": 200, "doubtful": 25, "contradictory": count, "contradictory_untaught": count}
    text = findings.doubtful(replace(some, doubts=doubts))
    assert "takes 25 of the 200 labels of validation and test for wrong (12.5%)" in text
    assert "check" not in text
    known = {"faces": 8, "doubtful": 4, "mean_rank": 0.281}
    assert "of 8 faces" in (told := findings.doubtful(replace(some, doubts={**doubts, "contradictory": known})))
    assert "4 of them are on the list" in told
    assert "at 28%" in told


def test_equal_files_give_equal_text(some: Findings, tmp_path: Path) -> None:
    again = findings.read_findings(write_run(tmp_path))
    assert findings.figures(again, FIGURES) == findings.figures(some, FIGURES)
    assert findings.confidence(again) == findings.confidence(some)
