"""The README is one page, and its figures are those of the files that it names."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
import yaml
from documents import ENVIRONMENT_BYTES, ROOT, output_of, read, rows
from running_command import answer
from small_photos import astronaut

README = "README.md"
SPLITS = [("PublicTest", "validation"), ("PrivateTest", "test")]


def results_row(split: str) -> list[str]:
    """Return the cells of the README's row for one split of the shipped network."""
    return next(row for row in rows(README, "Results") if row[0].startswith(split))


def test_readme_fits_on_one_page() -> None:
    lines = read(README).splitlines()
    assert len(lines) <= 130
    assert max(map(len, lines)) <= 160


@pytest.mark.parametrize(("split", "name"), SPLITS)
def test_results_are_those_of_the_shipped_network(split: str, name: str) -> None:
    metrics = json.loads((ROOT / f"emotion/shipped/{name}.json").read_text(encoding="utf-8"))
    _, accuracy, unseen, balanced, raters, raters_balanced, calibration_error, _ = results_row(split)
    assert accuracy.startswith(f"**{metrics['accuracy']:.2%}** (")
    assert unseen.startswith(f"{metrics['accuracy_unseen']:.2%} (")
    assert balanced == f"{metrics['balanced_accuracy']:.2%}"
    assert raters == f"{metrics['accuracy_votes']:.2%}"
    assert raters_balanced == f"{metrics['balanced_accuracy_votes']:.2%}"
    votes = json.loads((ROOT / "metrics/details/votes.json").read_text(encoding="utf-8"))
    assert calibration_error == f"{votes[name]['calibration_error']:.3f}"


@pytest.mark.parametrize(("split", "name"), SPLITS)
def test_confidence_intervals_are_the_measured_ones(split: str, name: str) -> None:
    with (ROOT / "metrics/details/intervals.csv").open(encoding="utf-8") as stream:
        intervals = {row["metric"]: row for row in csv.DictReader(stream) if row["split"] == name}
    for cell, metric in zip(results_row(split)[1:3], ("accuracy", "accuracy_unseen"), strict=True):
        low, high = (float(intervals[metric][end]) for end in ("low", "high"))
        assert cell.endswith(f"({low:.2%} to {high:.2%})")


@pytest.mark.parametrize(("split", "name"), SPLITS)
def test_each_result_has_its_command_and_file(split: str, name: str) -> None:
    assert results_row(split)[-1] == f"[file](metrics/{name}.json)"
    assert "file of `dvc repro`" in read(README)


def test_number_of_test_faces_is_that_of_the_data() -> None:
    faces = json.loads((ROOT / "metrics/data.json").read_text(encoding="utf-8"))["faces"]
    assert f"{faces['test']:,} faces" in read(README)


@pytest.mark.parametrize(("figure", "source"), [("65.87%", "docs/decisions.md"), ("64.34%", "docs/decisions.md")])
def test_figures_of_another_network_are_those_of_its_measurement(figure: str, source: str) -> None:
    assert figure in read(README)
    assert figure in read(source)


def test_sizes_of_installations_are_the_tested_and_the_announced_one() -> None:
    assert f"less than {ENVIRONMENT_BYTES // 1_000_000} MB" in read(README)
    assert "(3.5 GB)" in read(README)
    assert "(3.5 GB)" in read("Makefile")


@pytest.mark.usefixtures("detector_weights")
def test_first_command_prints_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    astronaut().save(tmp_path / "astronaut.png")
    monkeypatch.chdir(tmp_path)
    assert answer(monkeypatch, "predict", "astronaut.png") == 0
    assert capsys.readouterr().out == output_of(README, "emotion predict astronaut.png")


def test_table_of_stages_is_the_pipeline() -> None:
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    table = {row[0].strip("`"): row[2].strip("`").split("`, `") for row in rows(README, "The pipeline")}
    assert list(table) == list(pipeline)
    for stage, named in table.items():
        entries = [entry for kind in ("outs", "metrics", "plots") for entry in pipeline[stage].get(kind, [])]
        outs = [path for entry in entries for path in (entry if isinstance(entry, dict) else [entry])]
        assert [path for path in named if not any(f"{out}/".startswith(path) for out in outs)] == []


def test_readme_leads_to_every_document() -> None:
    pages = [f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")]
    missing = [page for page in [*pages, "CONTRIBUTING.md", "CHANGELOG.md"] if f"]({page})" not in read(README)]
    assert missing == []
