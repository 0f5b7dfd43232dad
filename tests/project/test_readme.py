"""The README's figures are those of the committed metrics, and its pictures and links exist."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from benchmarks import accuracy
from emotion import params

ROOT = Path(__file__).parents[2]
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


def recipes_block() -> str:
    found = re.search(r"```bash\n(common=.*?)```", README, re.DOTALL)
    assert found
    return found.group(1)


def test_every_published_recipe_is_a_line_whose_settings_exist(tmp_path: Path) -> None:
    announce = 'dvc() { printf "%s\\n" "$@"; echo; }\n'
    printed = subprocess.run(["bash", "-c", announce + recipes_block()], capture_output=True, text=True, check=True)
    runs = [run.splitlines() for run in printed.stdout.strip().split("\n\n")]
    assert len(runs) == 5
    for run in runs:
        assert run[:5] == ["exp", "run", "evaluate", "--temp", "--name"]
        copy = tmp_path / "params.yaml"
        shutil.copy(ROOT / "params.yaml", copy)
        apply_overrides(copy, [run[place + 1] for place, word in enumerate(run) if word == "-S"])
        params.check(yaml.safe_load(copy.read_text(encoding="utf-8")))


def test_first_published_recipe_is_the_one_whose_minutes_are_measured() -> None:
    line = next(line for line in recipes_block().splitlines() if "three_block_sparse" in line)
    changes = accuracy.RECIPES["three_block_cnn"]
    assert f"train.epochs={changes['train.epochs']}" in line
    for name in ("train.batch_size", "train.optimizer", "train.learning_rate", "train.schedule"):
        assert f"{name}={changes[name]}" in recipes_block()


def test_the_table_of_recipes_says_what_the_experiments_measured() -> None:
    with (ROOT / "docs/recipes.csv").open(encoding="utf-8") as stream:
        measured = list(csv.DictReader(stream))
    assert measured
    for run in measured:
        row = next(line for line in README.splitlines() if line.startswith(f"| `{run['Experiment'] or 'default'}`"))
        for name in ("accuracy", "accuracy_unseen", "macro_f1"):
            assert f"{float(run[f'metrics/test.json:{name}']):.2%}" in row
        assert f"{int(float(run['parameters'])):,}" in row
        assert f"| {run['train.epochs']} |" in row
