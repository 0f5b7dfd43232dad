"""Reads the csv of raters' votes and gives each face of an archive its own.

Knows which row of FER+ belongs to a file of FER-2013 on Kaggle. Knows no classes, and decodes no pictures.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np
from numpy.typing import NDArray

from emotion.data.records import Fault, Record
from emotion.errors import DataError, one_line
from emotion.labels import NAMES, OFFICIAL_SPLITS
from emotion.params import WITHOUT_VOTES
from emotion.votes import CHOICES, HEADER

ROWS: Final = Path(__file__).parent / "ferplus_rows.npz"
"""For each row of FER+, the file of FER-2013 on Kaggle: `numbers` uint32 (35887,), 0 where none is known, and `classes`
uint8 (35887,), index into `labels.NAMES`. `python -m benchmarks.ferplus_rows` writes and checks it."""


@dataclass(frozen=True)
class VoteTable:
    """The csv of votes.

    Attributes:
        usages: part of the competition of each row, such as `Training`.
        names: name of each row; in FER+ not that of a file on Kaggle.
        votes: uint8, shape (rows, 10), columns as `votes.CHOICES`.
    """

    usages: list[str]
    names: list[str]
    votes: NDArray[np.uint8]


def read(path: Path) -> VoteTable:
    """Read a csv of votes; it may consist of the header.

    Raises:
        DataError: the file is no csv in UTF-8, the header is another one, or a row holds anything but a Usage, a name
            and ten numbers from 0 to 255.
    """
    header, *rows = _read_rows(path) or [[]]
    if tuple(header) != HEADER:
        raise DataError(f"{path}, line 1: expected {','.join(HEADER)}, received {','.join(header)}; run: dvc repro")
    try:
        votes = np.array([[int(vote) for vote in votes] for _, _, *votes in rows], np.uint8)
        return VoteTable([row[0] for row in rows], [row[1] for row in rows], votes.reshape(len(rows), len(CHOICES)))
    except (ValueError, OverflowError) as error:
        raise DataError(
            f"{path}: expected {len(CHOICES)} votes from 0 to 255 in every row ({error}); run: dvc repro"
        ) from error


def _read_rows(path: Path) -> list[list[str]]:
    try:
        return [*csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig")))]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no csv in UTF-8 ({one_line(error)}); run: dvc repro") from error


def join(records: Iterable[Record | Fault], table: VoteTable) -> Iterator[Record | Fault]:
    """Give each record its votes: pictures by class folder and file name, the rows of a csv by their position.

    The rows of a csv without the competition's `Usage` stay as they are.

    Args:
        records: as `layouts.read_records` yields them.
        table: votes; without any row, records stay as they are.

    Raises:
        DataError: the rows of the csv are not those for which the raters voted.
    """
    rows = find_rows(table)
    position, official = 0, False
    for record in records:
        if isinstance(record, Fault) or isinstance(record.content, np.ndarray):
            yield _join_row(record, table, position)
            position += 1
            official = official or (isinstance(record, Record) and record.official is not None)
        else:
            row = rows.get("/".join(PurePosixPath(record.name).parts[-3:]))
            yield record if row is None else replace(record, votes=table.votes[row])
    if official and len(table.votes) not in {0, position}:
        raise _other_rows(f"it has {position:,} rows, and the votes are for {len(table.votes):,}")


def find_rows(table: VoteTable) -> dict[str, int]:
    """Return the row of each picture, by half of the archive, class folder and file name.

    A picture is found by the name in its row, as drawn faces are, or as a file of FER-2013 on Kaggle.
    """
    return {name: row for row, name in enumerate(table.names)} | find_kaggle_rows(table)


def find_kaggle_rows(table: VoteTable) -> dict[str, int]:
    """Return the row of each file of FER-2013 on Kaggle; none if the votes are not those of FER+."""
    with np.load(ROWS) as known:
        numbers, classes = known["numbers"], known["classes"]
    rows = np.flatnonzero(numbers).tolist() if len(numbers) == len(table.votes) else []
    return {name_of(table.usages[row], NAMES[classes[row]], numbers[row]): row for row in rows}


def name_of(usage: str, expression: str, number: int) -> str:
    """Return the name of a file of FER-2013 on Kaggle, such as `train/angry/Training_3908.jpg`."""
    return f"{'train' if usage == 'Training' else 'test'}/{expression}/{usage}_{number}.jpg"


def _join_row(record: Record | Fault, table: VoteTable, position: int) -> Record | Fault:
    if isinstance(record, Fault) or record.official is None or position >= len(table.votes):
        return record
    usage = table.usages[position]
    if OFFICIAL_SPLITS.get(usage) != record.official:
        raise _other_rows(f"{record.name} is in {record.official}, and its votes are for {usage}")
    return replace(record, votes=table.votes[position])


def _other_rows(fact: str) -> DataError:
    return DataError(
        f"the rows of the csv are not those of fer2013.csv, for which the raters voted ({fact}); "
        f"use {WITHOUT_VOTES} or another csv"
    )
