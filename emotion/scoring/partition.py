"""The Parquet file of one partition: its columns, and how it is written and found again."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from emotion.evaluation import drift
from emotion.inference.results import Picture
from emotion.scoring.places import Place
from emotion.scoring.settings import KEY, Settings

FOLDER: Final = "faces"

MEASURES: Final = ("light", "contrast", "sharpness", "edge")
"""Columns of what `drift.measure` says of each face, and of its longer edge in pixels."""


class Scored(NamedTuple):
    """A picture, and what the network saw of each of its faces, uint8 (48, 48), grey, 0-255."""

    picture: Picture
    crops: Sequence[NDArray[np.uint8]] = ()


def schema_for(classes: Sequence[str]) -> pa.Schema:
    """Return the columns: those of `emotion predict --csv`, then the landmarks and the measures of the face."""
    whole = dict.fromkeys(("left", "top", "width", "height"), pa.int32())
    shares = dict.fromkeys(classes, pa.float32())
    types = {
        "source": pa.string(),
        "face": pa.int32(),
        "status": pa.string(),
        **whole,
        "label": pa.string(),
        "confidence": pa.float32(),
        "uncertain": pa.bool_(),
        **shares,
        "error": pa.string(),
        "detector": pa.string(),
        "landmarks": pa.list_(pa.list_(pa.float32())),
        **dict.fromkeys(MEASURES, pa.float32()),
    }
    return pa.schema(list(types.items()))


def as_table(scored: Iterable[Scored], classes: Sequence[str], settings: Settings) -> pa.Table:
    """Return the rows of some pictures, with the settings in the metadata."""
    rows = [row for each in scored for row in _rows(each, classes)]
    schema = schema_for(classes).with_metadata({KEY: settings.to_json()})
    return pa.Table.from_pylist(rows, schema)


def _rows(scored: Scored, classes: Sequence[str]) -> list[dict[str, object]]:
    rows = scored.picture.rows(classes)
    measured = drift.measure(np.stack(scored.crops)) if len(scored.crops) else {}
    for index, face in enumerate(scored.picture.faces):
        whole = face.box or scored.picture
        extra = {"landmarks": face.landmarks, "edge": max(whole.width, whole.height)}
        rows[index] |= {**extra, **{name: values[index] for name, values in measured.items()}}
    for row in rows:
        row["source"] = _as_text(str(row["source"]))
    return rows


def _as_text(name: str) -> str:
    """Return a file name as valid text; Parquet knows no other."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def write(out: Place, partition: int, table: pa.Table) -> None:
    """Write the file of a partition, which appears when it is whole."""
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    out.write(_file_of(partition), stream.getvalue())


def read(out: Place, partition: int) -> pa.Table | None:
    """Read the file of a partition; None if it is missing or damaged."""
    content = out.read(_file_of(partition))
    try:
        return None if content is None else pq.read_table(io.BytesIO(content))
    except pa.ArrowInvalid:
        return None


def finished(out: Place) -> set[int]:
    """Return the numbers of the partitions whose files are there."""
    stems = (name.removeprefix("part-").removesuffix(".parquet") for name in out.names(FOLDER))
    return {int(stem) for stem in stems if stem.isdecimal()}


def _file_of(partition: int) -> str:
    return f"{FOLDER}/part-{partition:06}.parquet"
