from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_runs import write_run

from emotion.errors import DataError
from emotion.report import run_files
from emotion.report.run_files import COLUMNS, KEYS


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ("happy", "sad"), voted=True)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_table_of_a_run_is_read_and_one_without_a_column_refused(root: Path, tmp_path: Path, name: str) -> None:
    table = run_files.read_table(root, name)
    assert set(table.columns) == set(COLUMNS[name])
    *_, last = COLUMNS[name]
    (tmp_path / name).parent.mkdir(parents=True)
    table.drop(columns=last).to_csv(tmp_path / name, index=False)
    with pytest.raises(DataError, match=rf"{name} cannot be read \(expected the columns {last}, received"):
        run_files.read_table(tmp_path, name)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in KEYS.items() for key in keys])
def test_every_json_file_of_a_run_is_read_and_one_without_a_key_refused(
    root: Path, tmp_path: Path, name: str, key: str
) -> None:
    content = run_files.read_json(root, name)
    *path, last = key.split(".")
    part = content
    for step in path:
        part = part[step]
    del part[last]
    (tmp_path / name).parent.mkdir(parents=True)
    (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(DataError, match=rf"{name} cannot be read \(expected the keys {key}, received"):
        run_files.read_json(tmp_path, name)


def test_caption_says_which_accuracy_counts_labels_and_which_votes(root: Path, tmp_path: Path) -> None:
    plain, voted = run_files.read_run(write_run(tmp_path)), run_files.read_run(root)
    assert plain.caption("test").endswith(f"\ntest accuracy {plain.headlines['test']['accuracy']:.2%}")
    figures = voted.headlines["test"]
    expected = f"{figures['accuracy']:.2%} of the labels, {figures['accuracy_votes']:.2%} of the raters' majorities"
    assert voted.caption("test").endswith(f"\ntest accuracy {expected}")


def test_only_the_list_of_doubtful_labels_may_be_empty(tmp_path: Path) -> None:
    for name, columns in COLUMNS.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(",".join(columns) + "\n")
    assert run_files.read_table(tmp_path, "metrics/details/doubtful.csv").empty
    for name in set(COLUMNS) - {"metrics/details/doubtful.csv"}:
        with pytest.raises(DataError, match="no row below the header"):
            run_files.read_table(tmp_path, name)


def test_confusion_and_predictions_have_the_classes_of_the_network(root: Path) -> None:
    tables = run_files.read_confusions(root, "test")
    assert {name: list(table.columns) for name, table in tables.items()} == {
        "confusion_test": ["actual", "happy", "sad"],
        "confusion_test_votes": ["majority", "happy", "sad"],
    }
    columns = ["split", "name", "actual", "predicted", "happy", "sad"]
    assert list(run_files.read_predictions(root).columns) == columns
