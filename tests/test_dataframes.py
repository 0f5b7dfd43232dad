from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion.dataframes import read_table, stack_splits, write_table
from emotion.errors import DataError

ROOT = Path(__file__).parents[1]
COLUMNS = {"name": str, "faces": int, "share": float}


def test_table_has_rounded_figures_empty_fields_and_plain_line_ends(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a,b", "NA", ""], "faces": [3, 20, 0], "share": [1 / 3, np.nan, 1.0]})
    write_table(tmp_path / "new/faces.csv", table)
    assert (tmp_path / "new/faces.csv").read_bytes() == b'name,faces,share\n"a,b",3,0.333333\nNA,20,\n,0,1.0\n'


def test_table_comes_back_with_its_types(tmp_path: Path) -> None:
    table = pd.DataFrame({"name": ["a,b", "NA", "007", ""], "faces": [3, 20, 0, 1], "share": [0.1, np.nan, 1, 2e-6]})
    write_table(tmp_path / "faces.csv", table.assign(other="x"))
    pd.testing.assert_frame_equal(read_table(tmp_path / "faces.csv", COLUMNS), table)


def test_splits_stand_below_one_another_in_order() -> None:
    tables = {"validation": pd.DataFrame({"faces": [1, 2]}), "test": pd.DataFrame({"faces": [3]})}
    assert stack_splits(tables).to_dict("list") == {"split": ["validation", "validation", "test"], "faces": [1, 2, 3]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "expected the columns name, faces, share, received none"),
        (b"name,faces,share\n", "no row below the header"),
        (b"name,share\na,0.5\n", "expected the columns faces, received name, share"),
        (b"name,faces,share\na,1,0.5\nb\n", "line 3: expected 3 values, received 1"),
        (b"name,faces,share\na,1,0.5,7\n", "line 2: expected 3 values, received 4"),
        (b"name,faces,share\na,1,0.5\n<<<<<<< HEAD\n", "line 3: expected 3 values, received 1"),
        (b"name,faces,share\na,1,much\n", "could not convert string to float: 'much'"),
        (b"name,faces,share\na,,0.5\n", "Integer column has NA values"),
        (b"name,faces,share\n\xff,1,1\n", "'utf-8' codec can't decode"),
        (b'name,faces,share\n"' + b"1" * 200_000, "field larger than"),
    ],
)
def test_damaged_csv_is_named_with_the_reason_and_the_command_that_writes_it_again(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "faces.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"faces\.csv cannot be read \({reason}.*\); run: dvc repro$") as caught:
        read_table(path, COLUMNS)
    assert "\n" not in str(caught.value)


def test_table_may_be_empty_where_the_caller_says_so(tmp_path: Path) -> None:
    (tmp_path / "faces.csv").write_text("name,faces,share\n")
    assert read_table(tmp_path / "faces.csv", COLUMNS, may_be_empty=True).empty


@pytest.mark.parametrize("stage", ["train", "export"])
def test_stages_without_tables_start_without_pandas(stage: str) -> None:
    script = f"import sys, stages.{stage}; print('pandas' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
