"""Tables of pictures: csv files with paths, and Parquet files with paths or with the pictures themselves."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.errors import EmotionError
from emotion.scoring.places import Place, explaining

PATH_COLUMNS: Final = ("path", "file", "source", "url")
"""Names by which a column of paths is known; the first that a table has counts."""

AT_ONCE: Final = 10_000
"""Rows that are read at once for their paths."""

LONGEST_HASH: Final = 64
"""Bytes of the longest usual hash. A column of so few bytes a row, or of fewer, holds no pictures."""

PICTURES_AT_ONCE: Final = 16
"""Pictures that are in memory at once."""


def columns_of(table: str) -> dict[str, bool]:
    """Return the columns that can hold pictures, and whether they hold their bytes and not their paths."""
    if table.lower().endswith(".csv"):
        with _opened(table) as stream:
            return dict.fromkeys(next(csv.reader(_as_text(stream)), []), False)
    with _opened(table) as stream:
        kinds = {field.name: field.type for field in pq.read_schema(stream)}
    return {name: _holds_bytes(kind) for name, kind in kinds.items() if _holds_bytes(kind) or _is_text(kind)}


def choose(table: str, columns: Mapping[str, bool], column: str | None) -> str:
    """Return the column to read: the given one, else the only one of bytes, else the first of `PATH_COLUMNS`.

    Raises:
        EmotionError: there is no such column.
    """
    held = [name for name, content in columns.items() if content]
    known = [name for name in PATH_COLUMNS if name in columns]
    chosen = column or next(iter(held if len(held) == 1 else known), None)
    if chosen in columns:
        return str(chosen)
    expected, there = column or " or ".join(PATH_COLUMNS), ", ".join(columns) or "none that can hold pictures"
    raise EmotionError(f"{table}: expected a column {expected}, received {there}; choose one with --column")


def paths_in(table: str, column: str) -> Iterator[str]:
    """Yield the paths in a column.

    Raises:
        EmotionError: a row has none.
    """
    with _opened(table) as stream:
        for value in _texts(stream, column) if table.lower().endswith(".csv") else _values(stream, column):
            if not value:
                raise EmotionError(f"{table} has a row without a path; fill it or leave the row out")
            yield value


def sizes_in(table: str, column: str) -> Iterator[int | None]:
    """Yield the bytes of each picture in a Parquet file: the mean of its group of rows, which needs no reading.

    None where the group only names its pictures.
    """
    with _opened(table) as stream:
        metadata = pq.ParquetFile(stream).metadata
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        parts = [group.column(index) for index in range(group.num_columns)]
        held = [part for part in parts if part.path_in_schema in (column, f"{column}.bytes") and not _is_empty(part)]
        size = sum(part.total_uncompressed_size for part in held) // max(group.num_rows, 1)
        yield from [size or None] * group.num_rows


def read_rows(table: str, column: str, first: int, count: int) -> Iterator[bytes | str | None]:
    """Yield the pictures in some rows of a Parquet file; None where a row is empty.

    A row of structs may hold no bytes, but the field `path`: this path is yielded.

    Args:
        table: path or address of the file.
        column: of bytes, or of structs with the field `bytes`, as Hugging Face writes them.
        first: number of the first row, from 0.
        count: number of rows.
    """
    with explaining(table), _opened(table) as stream:
        parquet = pq.ParquetFile(stream)
        groups, skip = _groups_from(parquet.metadata, first)
        for batch in parquet.iter_batches(PICTURES_AT_ONCE, row_groups=groups, columns=[column]):
            values = batch.column(0)[skip : skip + count].to_pylist()
            yield from map(_picture_of, values)
            skip, count = max(0, skip - len(batch)), count - len(values)
            if not count:
                return


def _picture_of(value: Any) -> bytes | str | None:
    fields = value if isinstance(value, dict) else {"bytes": value}
    held: bytes | str | None = fields["bytes"]
    return held if held is not None else fields.get("path") or None


def _is_empty(part: Any) -> bool:
    return bool(part.statistics and part.statistics.null_count == part.num_values)


def _groups_from(metadata: Any, first: int) -> tuple[list[int], int]:
    """Return the groups of rows from the one that holds a row, and the number of rows to skip in it."""
    group = 0
    while group < metadata.num_row_groups and first >= metadata.row_group(group).num_rows:
        first -= metadata.row_group(group).num_rows
        group += 1
    return list(range(group, metadata.num_row_groups)), first


def _texts(stream: Any, column: str) -> Iterator[str | None]:
    return (row[column] for row in csv.DictReader(_as_text(stream)))


def _values(stream: Any, column: str) -> Iterator[str | None]:
    for batch in pq.ParquetFile(stream).iter_batches(AT_ONCE, columns=[column]):
        yield from batch.column(0).to_pylist()


def _as_text(stream: Any) -> Iterator[str]:
    return iter(codecs.getreader("utf-8-sig")(stream))  # Excel puts a mark at the start


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    if pa.types.is_fixed_size_binary(kind):
        return bool(kind.byte_width > LONGEST_HASH)
    plain = _values_of(kind)
    return bool(pa.types.is_binary(plain) or pa.types.is_large_binary(plain) or pa.types.is_binary_view(plain))


def _is_text(kind: pa.DataType) -> bool:
    plain = _values_of(kind)
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain))


def _values_of(kind: pa.DataType) -> pa.DataType:
    """Return the type of the values in a column; pandas writes categories as a dictionary."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


@contextmanager
def _opened(table: str) -> Iterator[Any]:
    place = Place(table)
    with place.files.open(place.path) as stream:
        yield stream
