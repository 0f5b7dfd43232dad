"""The command `python -m benchmarks.ferplus_rows ARCHIVE VOTES`: checks which row of FER+ belongs to which file.

`emotion/data/ferplus_rows.npz` names a file of FER-2013 on Kaggle for each row of FER+. Every file must be in the
archive, once, in the half of its row. With `--pixels fer2013.csv`, every file must be the pixels of its row, saved as
JPEG at quality 95. With `--rows`, a csv with the columns file and row, the table is written first.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from emotion import votes
from emotion.data import archives, raters
from emotion.data.layouts import read_records
from emotion.data.raters import ROWS, VoteTable
from emotion.data.records import Record
from emotion.errors import DataError, EmotionError, one_line
from emotion.files import replacing
from emotion.labels import NAMES

QUALITY: Final = 95
"""Of the JPEG files on Kaggle."""

_FILE: Final = re.compile(rf"(train|test)/({'|'.join(NAMES)})/[A-Za-z]+_(\d+)\.jpg")


def main() -> None:
    """Write the table if asked, check it and print what was found; exit with 1 and one line on a fault."""
    options = _options()
    try:
        table = raters.read(options.votes)
        if options.rows:
            write(options.rows, len(table.votes))
        members = dict(archives.members(options.archive))
        print(describe(members, table))
        if options.pixels:
            print(f"{check_pixels(members, table, options.pixels):,} files are the pixels of their row")
    except (EmotionError, OSError) as error:
        sys.exit(f"ferplus_rows: {one_line(error)}")


def write(source: Path, rows: int) -> None:
    """Write the table from a csv with the columns file, such as `train/sad/Training_5.jpg`, and row, from 0."""
    numbers, classes = np.zeros(rows, np.uint32), np.zeros(rows, np.uint8)
    with source.open(newline="", encoding="utf-8") as stream:
        for line in csv.DictReader(stream):
            found = _FILE.fullmatch(line["file"])
            if not found or not 0 <= int(line["row"]) < rows:
                raise DataError(f"{source}: expected a file of Kaggle and a row below {rows}, received {line}")
            numbers[int(line["row"])], classes[int(line["row"])] = int(found[3]), NAMES.index(found[2])
    with replacing(ROWS) as temporary:
        np.savez_compressed(temporary, numbers=numbers, classes=classes)


def describe(members: Mapping[str, bytes], table: VoteTable) -> str:
    """Check the names in the table, and say how many files have a row and how far raters agree with their folder.

    Raises:
        DataError: the archive lacks a file.
    """
    files = raters.find_kaggle_rows(table)
    if missing := sorted(files.keys() - members.keys()):
        raise DataError(f"{len(missing):,} files are not in the archive, such as {missing[0]}")
    with np.load(ROWS) as known:
        if len(files) != np.count_nonzero(known["numbers"]):
            raise DataError("two rows have the same file")
    most = table.votes[list(files.values())].argmax(axis=1)
    agreed = np.mean([votes.CHOICES[choice] == name.split("/")[1] for choice, name in zip(most, files, strict=True)])
    return (
        f"{len(files):,} files have a row, {len(members.keys() - files.keys()):,} have none; "
        f"most raters agree with the folder of {agreed:.1%}"
    )


def check_pixels(members: Mapping[str, bytes], table: VoteTable, pixels: Path) -> int:
    """Check that every file is the pixels of its row, saved at `QUALITY`, and return the number of files.

    Raises:
        DataError: a file differs.
    """
    names = {row: name for name, row in raters.find_kaggle_rows(table).items()}
    for row, face in enumerate(_read_faces(pixels)):
        if row in names and members[names[row]] != encode(face):
            raise DataError(f"{names[row]} is not row {row} of {pixels}")
    return len(names)


def encode(face: NDArray[np.uint8]) -> bytes:
    """Save a face as the files on Kaggle were saved."""
    stream = io.BytesIO()
    Image.fromarray(face).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def _read_faces(path: Path) -> Iterator[NDArray[np.uint8]]:
    for record in read_records(archives.members(path)):
        if not isinstance(record, Record) or isinstance(record.content, bytes):
            raise DataError(f"{path}: {record.name} is no row of pixels")
        yield record.content


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ferplus_rows", description=__doc__)
    parser.add_argument("archive", type=Path, help="FER-2013 from Kaggle, as a zip or folder")
    parser.add_argument("votes", type=Path, help="fer2013new.csv of FER+")
    parser.add_argument("--pixels", type=Path, help="fer2013.csv of the competition")
    parser.add_argument("--rows", type=Path, help="csv to write the table from: file, row")
    return parser.parse_args()


if __name__ == "__main__":
    main()
