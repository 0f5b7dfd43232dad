"""Pictures and their faces as JSON and csv, the same for the command line and the server."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import Any, TextIO

from emotion.inference.results import Face, Picture

Row = dict[str, object]


def face_as_json(face: Face) -> dict[str, Any]:
    """Return a face as a JSON object: box, landmarks (or null), label, confidence, uncertain, probabilities."""
    return {
        "box": asdict(face.box) if face.box else None,
        "landmarks": face.landmarks,
        "label": face.label,
        "confidence": _shorten(face.confidence),
        "uncertain": face.uncertain,
        "probabilities": {name: _shorten(share) for name, share in face.probabilities.items()},
    }


def picture_as_json(picture: Picture) -> dict[str, Any]:
    """Return a picture as a JSON object: source, width, height, detector (or null), faces, error (or null)."""
    faces = [face_as_json(face) for face in picture.faces]
    facts = {"width": picture.width, "height": picture.height, "detector": picture.detector}
    return {"source": picture.source, **facts, "faces": faces, "error": picture.error}


def csv_text(pictures: Iterable[Picture], classes: Sequence[str]) -> str:
    """Return the rows of `Picture.rows` as csv with a header line."""
    stream = io.StringIO()
    write = row_writer(stream)
    for picture in pictures:
        write(picture.rows(classes))
    return stream.getvalue()


def row_writer(stream: TextIO) -> Callable[[Sequence[Row]], None]:
    """Return a function that appends rows to a csv stream; the keys of the first row become the header.

    Every call flushes the stream, so that a run that is killed leaves whole lines.
    """
    writer: csv.DictWriter[str] | None = None

    def write(rows: Sequence[Row]) -> None:
        nonlocal writer
        if writer is None:
            writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
            writer.writeheader()
        writer.writerows({key: _shorten(value) for key, value in row.items()} for row in rows)
        stream.flush()

    return write


def _shorten(value: Any) -> Any:
    """Round a float to seven digits, the precision of float32."""
    return float(f"{value:.7g}") if isinstance(value, float) else value
