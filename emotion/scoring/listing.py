"""Cuts the pictures into partitions and writes down which picture is in which, so that a later run goes on with them.

The list lies in the output. Pictures that are added to the input later are not in it.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from emotion.scoring.places import Place
from emotion.scoring.sources import Source

STEPS: Final = ((32, 32), (32, 128))
"""Numbers of partitions and their pictures, at the start: they are small, so that the progress bar moves soon and a
folder of some hundred pictures keeps all workers busy."""

LATER: Final = 512
"""Pictures of every later partition: about a file of 20,000 for ten million pictures, and seconds of work lost when a
worker dies."""

TOGETHER: Final = 64
"""Partitions in one file of the list."""

FOLDER: Final = "work/listing"

SCHEMA: Final = pa.schema([("partition", pa.int64()), ("first", pa.int64()), ("names", pa.list_(pa.binary()))])
"""A row for each partition: its number, the number of its first picture, and the names; as bytes, because a file name
need not be valid text."""


@dataclass(frozen=True)
class Totals:
    """What a listing holds.

    Attributes:
        pictures: their number.
        partitions: their number.
    """

    pictures: int
    partitions: int


def size_of(partition: int) -> int:
    """Return the number of pictures in a partition; the last one may have fewer."""
    for count, size in STEPS:
        if partition < count:
            return size
        partition -= count
    return LATER


def pictures_in(partitions: Iterable[int], totals: Totals) -> int:
    """Return the number of pictures in some partitions."""
    last = totals.partitions - 1
    rest = totals.pictures - sum(size_of(number) for number in range(last))
    return sum(rest if number == last else size_of(number) for number in partitions)


def cut(sources: Iterable[Source]) -> Iterator[tuple[int, int, list[bytes]]]:
    """Yield the number, the number of the first picture and the names of each partition."""
    left, partition, first = iter(sources), 0, 0
    while names := [encode(source.name) for source in islice(left, size_of(partition))]:
        yield partition, first, names
        partition, first = partition + 1, first + len(names)


def write(out: Place, sources: Iterable[Source]) -> Totals:
    """Write the listing, some partitions at a time, and return what it holds."""
    partitions, last = cut(sources), Totals(0, 0)
    while rows := list(islice(partitions, TOGETHER)):
        out.write(_file_of(rows[0][0]), _as_parquet(rows))
        partition, first, names = rows[-1]
        last = Totals(first + len(names), partition + 1)
    return last


def read(out: Place, partition: int) -> pa.Table:
    """Read one partition as a table of one row, as `SCHEMA` says.

    Raises:
        EmotionError: the listing lacks it.
    """
    with out.opened(_file_of(partition)) as stream:
        return pq.ParquetFile(stream).read_row_group(partition % TOGETHER)


def encode(name: str) -> bytes:
    """Return a name as bytes; file names may hold bytes that are no UTF-8."""
    return name.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    """Return the name that `encode` encoded."""
    return name.decode("utf-8", "surrogateescape")


def _file_of(partition: int) -> str:
    return f"{FOLDER}/{partition // TOGETHER:06}.parquet"


def _as_parquet(rows: Iterable[tuple[int, int, list[bytes]]]) -> bytes:
    columns = dict(zip(SCHEMA.names, zip(*rows, strict=True), strict=True))
    stream = io.BytesIO()
    pq.write_table(pa.table(columns, SCHEMA), stream, row_group_size=1)
    return stream.getvalue()
