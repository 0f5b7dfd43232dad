"""The README's figures are those of the committed metrics, and its pictures and links exist."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def results_row(split: str) -> str:
    """The README's row for one split of the shipped network."""
    found = re.search(rf"^\|[^|]*\b{split}\b.*$", README, re.MULTILINE)
    assert found, f"the README's table has no row for {split}"
    return found.group()


@pytest.mark.parametrize(("split", "name"), [("PublicTest", "validation"), ("PrivateTest", "test")])
def test_the_table_of_results_says_what_the_shipped_metrics_say(split: str, name: str) -> None:
    metrics = json.loads((ROOT / f"emotion/shipped/{name}.json").read_text(encoding="utf-8"))
    row = results_row(split)
    for figure in ("accuracy", "accuracy_unseen", "macro_f1", "balanced_accuracy"):
        assert f"{metrics[figure]:.2%}" in row
    assert f"{metrics['calibration_error']:.3f}" in row


@pytest.mark.parametrize(("split", "name"), [("PublicTest", "validation"), ("PrivateTest", "test")])
def test_the_table_of_results_says_how_sure_its_figures_are(split: str, name: str) -> None:
    with (ROOT / "metrics/details/intervals.csv").open(encoding="utf-8") as stream:
        intervals = {row["metric"]: row for row in csv.DictReader(stream) if row["split"] == name}
    for figure in ("accuracy", "accuracy_unseen"):
        low, high = (float(intervals[figure][end]) for end in ("low", "high"))
        assert f"({low:.2%} to {high:.2%})" in results_row(split)


def test_the_table_of_speed_says_what_the_benchmarks_measured() -> None:
    table = README.split("## How fast")[1].split("##")[0]
    rows = re.findall(r"^\| (?!what)(\S.*) \| (\S.*) \|$", table, re.MULTILINE)
    measured = (ROOT / "benchmarks/use.md").read_text(encoding="utf-8")
    assert len(rows) > 8
    assert [row for row in rows if f"| {row[0]} | {row[1]} |" not in measured] == []


def test_every_file_that_the_readme_names_by_a_link_exists() -> None:
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert len(links) > 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_epochs_that_the_readme_names_are_the_committed_ones() -> None:
    epochs = re.search(r"^  epochs: (\d+)", (ROOT / "params.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    assert epochs
    assert f"{epochs.group(1)} epochs" in README
