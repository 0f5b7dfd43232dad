"""Tables as pandas DataFrames: one reader, which checks columns and types, and one writer with fixed bytes.

A module of its own because the installed commands, the server and the pull-request report work without pandas.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from emotion.errors import DataError, one_line
from emotion.files import DECIMALS, write_text


def stack_splits(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Put the tables of several splits below one another, with the name of the split as the first column."""
    return pd.concat(tables, names=["split"]).reset_index("split")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as csv, atomically: figures rounded, missing values as empty fields, without the index."""
    write_text(path, table.round(DECIMALS).to_csv(index=False, lineterminator="\n"))


def read_table(path: Path, columns: Mapping[str, type], *, may_be_empty: bool = False) -> pd.DataFrame:
    """Read the named columns of a csv with a header line.

    Args:
        path: the csv; its other columns are left out.
        columns: the type of each column. Text stays as it is; an empty field of a float column becomes NaN.
        may_be_empty: whether the header may stand alone.

    Raises:
        DataError: the file is no csv, lacks a column or a row, or holds a line of another length or a value of another
            type.
    """
    numbers = [name for name, kind in columns.items() if kind is not str]
    try:
        _check_layout(path, columns)
        table = pd.read_csv(
            path,
            usecols=list(columns),
            dtype=dict(columns),
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, ""),
        )
        if table.empty and not may_be_empty:
            raise ValueError("no row below the header")
    except (ValueError, csv.Error) as error:
        # DVC runs a stage again whose output is no longer what the stage wrote.
        raise DataError(f"{path} cannot be read ({one_line(error)}); run: dvc repro") from error
    return table


def _check_layout(path: Path, columns: Mapping[str, type]) -> None:
    """Refuse missing columns, and lines that pandas would cut off or fill up with missing values."""
    with path.open(newline="", encoding="utf-8") as stream:
        lines = csv.reader(stream, strict=True)
        header = next(lines, [])
        if missing := [name for name in columns if name not in header]:
            raise ValueError(f"expected the columns {', '.join(missing)}, received {', '.join(header) or 'none'}")
        for fields in lines:
            if fields and len(fields) != len(header):
                raise ValueError(f"line {lines.line_num}: expected {len(header)} values, received {len(fields)}")
