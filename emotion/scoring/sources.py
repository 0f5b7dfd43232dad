"""What to score: the pictures of a folder, a pattern, a table or a prefix, one by one and in a fixed order.

Names are never all in memory: at most those of one folder, or of one block of a table.
"""

from __future__ import annotations

import codecs
import csv
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.errors import EmotionError
from emotion.inference.pictures import find_pictures
from emotion.picture_formats import SUFFIXES
from emotion.scoring.places import Place, explaining, is_address

PATH_COLUMNS: Final = ("path", "file", "source", "url")
"""Names by which a column of paths is known; the first that a table has counts."""

AT_ONCE: Final = 10_000
"""Rows of a table that are read at once for their paths."""

PICTURES_AT_ONCE: Final = 16
"""Pictures of a table that are in memory at once."""


class Source(NamedTuple):
    """A picture to score.

    Attributes:
        name: its path, address, or table and row; as it appears in the results.
        size: of its file in bytes; None if that is not known.
    """

    name: str
    size: int | None = None


@dataclass(frozen=True)
class Sources:
    """Where the pictures lie.

    Attributes:
        kind: `paths`, or `bytes` for a table whose column holds the pictures themselves.
        base: the folder or prefix to which relative names belong; of `bytes`, the table.
        column: of the table; None without one.
    """

    kind: Literal["paths", "bytes"]
    base: str
    column: str | None = None


def resolve(text: str) -> str:
    """Return an input by which runs from different folders can be compared: local paths become absolute."""
    return text if is_address(text) else os.path.abspath(text)  # noqa: PTH100  `..` may follow a link


def describe(text: str, column: str | None) -> Sources:
    """Say where the pictures of an input lie.

    Args:
        text: a folder, a file, a pattern, a prefix, or a table that ends in `.csv` or `.parquet`.
        column: of a table; None for the only column of bytes, else the first of `PATH_COLUMNS`.

    Raises:
        EmotionError: there is nothing of that name, or a table has no such column.
    """
    if not text.endswith((".csv", ".parquet")):
        if column:
            raise EmotionError(f"--column {column} is for a table, and {text} is neither .csv nor .parquet")
        return Sources("paths", text if is_address(text) else str(Path.cwd()))
    table = Place(text)
    with explaining(text):
        columns = _csv_columns(table) if text.endswith(".csv") else _parquet_columns(table)
    chosen = _choose(text, columns, column)
    folder = posixpath.dirname(text) if is_address(text) else str(Path(text).resolve().parent)
    return Sources("bytes", resolve(text), chosen) if columns[chosen] else Sources("paths", folder, chosen)


def find(text: str, sources: Sources, left_out: Counter[str], *, sized: bool = False) -> Iterator[Source]:
    """Yield the pictures of an input in its own order: names sorted in each folder, rows as they stand in a table.

    Args:
        text: the input.
        sources: as `describe` returns it.
        left_out: gets the number of other files in a folder, by suffix.
        sized: whether to look up the sizes of local files; an object store tells them anyway.

    Raises:
        EmotionError: the input does not exist or cannot be read.
    """
    with explaining(text):
        if sources.column is not None:
            yield from _find_in_table(text, sources)
        elif is_address(text):
            yield from _find_behind(Place(text), left_out)
        else:
            yield from _find_here(text, left_out, sized=sized)


def locate(name: str, base: str) -> str:
    """Return where a picture lies: an address, or an absolute path."""
    if is_address(name):
        return name
    return posixpath.join(base, name) if is_address(base) else str(Path(base, name))


def _find_here(text: str, left_out: Counter[str], *, sized: bool) -> Iterator[Source]:
    for name in find_pictures(text, left_out):
        if name == text and not os.path.lexists(text):
            raise EmotionError(f"there is no file or folder {text}, and nothing matches it; check the name")
        yield Source(name, _size_of(name) if sized else None)


def _size_of(name: str) -> int | None:
    try:
        return Path(name).stat().st_size
    except OSError:  # the row of this picture will say why
        return None


def _find_behind(place: Place, left_out: Counter[str]) -> Iterator[Source]:
    """Yield the pictures below a prefix, or those that match a pattern."""
    place.files.invalidate_cache()
    if any(sign in place.path for sign in "*?["):
        matches = place.files.glob(place.path, detail=True)
        yield from (_behind(place, matches[path]) for path in sorted(matches) if matches[path]["type"] == "file")
        return
    found = False
    for _, folders, files in place.files.walk(place.path, detail=True, on_error="raise"):
        found = found or bool(folders or files)
        # `walk` goes on in the order of this dictionary.
        visible = sorted(name for name in folders if not name.startswith("."))
        kept = {name: folders[name] for name in visible}
        folders.clear()
        folders.update(kept)
        for name in sorted(name for name in files if name and not name.startswith(".")):
            suffix = posixpath.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                yield _behind(place, files[name])
            else:
                left_out[suffix] += 1
    if not found:
        yield _behind(place, place.files.info(place.path))


def _behind(place: Place, entry: dict[str, object]) -> Source:
    size = entry.get("size")
    return Source(str(place.files.unstrip_protocol(str(entry["name"]))), int(str(size)) if size is not None else None)


def _csv_columns(table: Place) -> dict[str, bool]:
    with table.files.open(table.path) as stream:
        return dict.fromkeys(next(csv.reader(_as_text(stream)), []), False)


def _as_text(stream: Any) -> Iterator[str]:
    return iter(codecs.getreader("utf-8-sig")(stream))  # Excel puts a mark at the start


def _parquet_columns(table: Place) -> dict[str, bool]:
    """Return the columns that can hold pictures, and whether they hold their bytes; as structs, as Hugging Face has."""
    with table.files.open(table.path) as stream:
        schema = pq.read_schema(stream)
    kinds = {field.name: field.type for field in schema}
    content = {name: _holds_bytes(kind) for name, kind in kinds.items()}
    return {name: held for name, held in content.items() if held or _is_text(kinds[name])}


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return bool(kind.get_field_index("bytes") >= 0)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _choose(text: str, columns: dict[str, bool], column: str | None) -> str:
    held = [name for name, content in columns.items() if content]
    known = [name for name in PATH_COLUMNS if name in columns]
    chosen = column or (held[0] if len(held) == 1 else next(iter(known), None))
    if chosen in columns:
        return str(chosen)
    there = ", ".join(columns) or "none that can hold pictures"
    raise EmotionError(
        f"{text}: expected a column {column or ' or '.join(PATH_COLUMNS)}, received {there}; use --column"
    )


def _find_in_table(text: str, sources: Sources) -> Iterator[Source]:
    table = Place(text)
    with table.files.open(table.path) as stream:
        if sources.kind == "bytes":
            yield from _number_rows(text, pq.ParquetFile(stream), str(sources.column))
        elif text.endswith(".csv"):
            yield from _csv_paths(text, _as_text(stream), str(sources.column))
        else:
            for batch in pq.ParquetFile(stream).iter_batches(AT_ONCE, columns=[sources.column]):
                yield from (Source(_checked(text, value)) for value in batch.column(0).to_pylist())


def _csv_paths(text: str, stream: Iterator[str], column: str) -> Iterator[Source]:
    for row in csv.DictReader(stream):
        yield Source(_checked(text, row[column]))


def _checked(text: str, value: str | None) -> str:
    if not value:
        raise EmotionError(f"{text} has a row without a path; fill it or leave the row out")
    return value


def _number_rows(text: str, table: pq.ParquetFile, column: str) -> Iterator[Source]:
    """Yield a name for each row, with the mean size of its group of rows."""
    number = 0
    for group in range(table.metadata.num_row_groups):
        facts = table.metadata.row_group(group)
        columns = [facts.column(index) for index in range(facts.num_columns)]
        size = sum(each.total_uncompressed_size for each in columns if each.path_in_schema.split(".")[0] == column)
        for _ in range(facts.num_rows):
            yield Source(f"{text}#{number}", size // facts.num_rows)
            number += 1


def read_rows(table: str, column: str, first: int, count: int) -> Iterator[bytes | None]:
    """Yield the pictures in some rows of a Parquet file; None where a row is empty.

    Args:
        table: path or address of the file.
        column: of bytes, or of structs with the field `bytes`.
        first: number of the first row, from 0.
        count: number of rows.
    """
    place = Place(table)
    with explaining(table), place.files.open(place.path) as stream:
        parquet = pq.ParquetFile(stream)
        groups, skip = _groups_of(
            [parquet.metadata.row_group(i).num_rows for i in range(parquet.num_row_groups)], first
        )
        for batch in parquet.iter_batches(PICTURES_AT_ONCE, row_groups=groups, columns=[column]):
            values = batch.column(0)
            if pa.types.is_struct(values.type):
                values = values.field("bytes")
            for value in values[max(skip, 0) :]:
                if count <= 0:
                    return
                count -= 1
                yield value.as_py()
            skip = max(0, skip - len(values))


def _groups_of(sizes: Sequence[int], first: int) -> tuple[list[int], int]:
    """Return the groups of rows from the one that holds a row, and the number of rows to skip in it."""
    group = 0
    while group < len(sizes) and first >= sizes[group]:
        first -= sizes[group]
        group += 1
    return list(range(group, len(sizes))), first
